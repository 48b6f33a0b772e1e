"""The board and the code host of the simulation: the current values, and the hints that their webhooks send.

Used by `worker`, `people` and `checks`. In memory; it knows nothing of loops. Answers and refusals are those of the
Protocols in `integrations.ports`; every change leaves a hint in `hints`, as a provider would send a webhook.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from integrations.errors import Conflict, NotFound, Rejected, Unavailable
from integrations.events import (
    BranchPushed,
    Event,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestMerged,
    PullRequestReopened,
    ReviewSubmitted,
    TicketCommented,
    TicketCommentRemoved,
    TicketEdited,
    TicketMoved,
    TicketRemoved,
)
from integrations.ports.code_host import COMMENT_MARK, PullRequest, Review
from integrations.ports.tracker import Comment, Move
from integrations.values import Person, Ticket

REPOSITORY, MAIN = "acme/shop", "main"
ANA = Person(id="ana", name="Ana", email="ana@acme.test", may_steer=True)
BOB = Person(id="bob", name="Bob", email="bob@acme.test", may_steer=True)
EVE = Person(id="eve", name="Eve", email="eve@acme.test")
ROBOT = Person(id="robot", name="Rude bot", is_bot=True)
US = Person(id="loopline", name="Loopline", email="us@acme.test", may_steer=True, is_us=True)


@dataclass
class Provider:
    """What both share: a clock, a number for everything new, the hints on their way, and whether it can be reached."""

    now: Callable[[], float]
    hints: list[Event]
    away: bool = False
    made: int = 0

    def new(self, prefix: str) -> str:
        """A new unique name."""
        self.made += 1
        return f"{prefix}{self.made}"

    def hint(self, kind: type[Any], name: str = "", **fields: Any) -> None:
        """A webhook is on its way. What has a name of its own keeps it, as `jobs.recovery.polling` relies on."""
        self.hints.append(kind(event_id=name or self.new(f"{kind.__name__}:"), at=self.now(), **fields))

    def reach(self) -> None:
        """Raise `Unavailable` during an outage."""
        if self.away:
            raise Unavailable("away")


@dataclass
class Board(Provider):
    """Tickets and their comments."""

    tickets: dict[str, Ticket] = field(default_factory=dict)
    mover: dict[str, str] = field(default_factory=dict)
    """Who moved the card last."""
    written: dict[str, Comment] = field(default_factory=dict)
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def viewer(self) -> Person:
        """Loopline's account."""
        return US

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """All columns exist."""
        self.reach()

    def fetch(self, ticket_id: str) -> Ticket:
        """The ticket now."""
        self.reach()
        if ticket_id in self.removed:
            raise NotFound("no such ticket")
        return self.tickets[ticket_id]

    def fetch_move(self, ticket_id: str, column_id: str, author: Person | None) -> Move:
        """The ticket now, and who moved it."""
        ticket = self.fetch(ticket_id)
        who = self.mover.get(ticket_id)
        return Move(
            ticket, Person(id=who, is_us=who == "us", is_bot=who == "us", may_steer=who != "us") if who else None
        )

    def fetch_comment(self, comment_id: str) -> Comment:
        """The comment now."""
        self.reach()
        if comment_id not in self.written or self.written[comment_id].ticket_id in self.removed:
            raise NotFound("no such comment")
        return self.written[comment_id]

    def move(self, ticket_id: str, column: str, who: str = "us") -> None:
        """Put the card there; where it is already, nothing happens."""
        ticket = self.fetch(ticket_id)
        if ticket.column != column:
            there = {"column": column, "cancelled": column == "Canceled"}
            self.tickets[ticket_id] = replace(ticket, **there)
            self.hint(TicketMoved, ticket_id=ticket_id, column=column)
            self.mover[ticket_id] = who

    def say(self, ticket_id: str, body: str, author: Person, comment_id: str = "") -> str:
        """Write a comment; one with this id already is success."""
        self.fetch(ticket_id)
        comment_id = comment_id or self.new("comment")
        if comment_id not in self.written:
            at = datetime.fromtimestamp(self.now(), UTC).isoformat()
            self.written[comment_id] = Comment(comment_id, ticket_id, body, author, at)
            self.hint(TicketCommented, f"comment:{comment_id}", ticket_id=ticket_id, comment_id=comment_id, body=body)
        return comment_id

    def edit_comment(self, comment_id: str, body: str) -> None:
        """Replace the comment's text."""
        self.written[comment_id] = replace(self.fetch_comment(comment_id), body=body)

    def rewrite(self, comment_id: str, body: str) -> None:
        """A person edits a comment."""
        comment = self.fetch_comment(comment_id)
        self.written[comment_id] = replace(comment, body=body)
        self.hint(TicketCommented, ticket_id=comment.ticket_id, comment_id=comment_id, body=body, edited=True)

    def erase(self, comment_id: str) -> None:
        """A person deletes a comment."""
        comment = self.written.pop(comment_id)
        self.hint(TicketCommentRemoved, ticket_id=comment.ticket_id, comment_id=comment_id)

    def describe(self, ticket_id: str, description: str) -> None:
        """A person rewrites the ticket."""
        self.tickets[ticket_id] = replace(self.fetch(ticket_id), description=description)
        self.hint(TicketEdited, ticket_id=ticket_id)

    def label(self, ticket_id: str, name: str, *, there: bool) -> None:
        """Add the label or take it away."""
        labels = set(self.fetch(ticket_id).labels) - {name} | ({name} if there else set())
        self.tickets[ticket_id] = replace(self.tickets[ticket_id], labels=tuple(sorted(labels)))

    def remember(self, ticket_id: str, metadata: dict[str, Any]) -> None:
        """Upsert the board memory."""
        self.fetch(ticket_id)
        self.memory[ticket_id] = metadata

    def remove(self, ticket_id: str) -> None:
        """A person deletes the ticket."""
        self.removed.add(ticket_id)
        self.hint(TicketRemoved, ticket_id=ticket_id)

    def comments(self, ticket_id: str) -> list[Comment]:
        """All comments of the ticket."""
        return [c for c in self.written.values() if c.ticket_id == ticket_id]


@dataclass
class Host(Provider):
    """One repository with branches and pull requests. Commits are names with a parent."""

    parents: dict[str, str] = field(default_factory=lambda: {"root": ""})
    branches: dict[str, str] = field(default_factory=lambda: {MAIN: "root"})
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    given: dict[int, list[Review]] = field(default_factory=dict)
    marks: set[str] = field(default_factory=set)

    def commit(self, name: str, parent: str) -> str:
        """A commit that may be pushed."""
        assert parent in self.parents, f"{name} would begin at {parent!r}, which is no commit"
        self.parents.setdefault(name, parent)
        return name

    def descends(self, older: str, newer: str) -> bool:
        """Whether `newer` contains `older`."""
        while newer and newer != older:
            newer = self.parents[newer]
        return newer == older

    def branch_head(self, repository: str, branch: str) -> str | None:
        """The branch's head."""
        self.reach()
        return self.branches.get(branch)

    def push(self, branch: str, sha: str, expected: str | None, by: str = "loopline") -> bool:
        """As `integrations.git.push`: never forces. Returns whether the branch moved."""
        self.reach()
        head = self.branches.get(branch)
        if head == sha:
            return False
        if head != expected or not self.descends(expected or "", sha):
            raise Conflict(f"the branch {branch} is at {head}, not at {expected or 'new'}")
        self._move(branch, sha, by)
        return True

    def _move(self, branch: str, sha: str | None, by: str) -> None:
        before = self.branches.pop(branch, "")
        if sha:
            self.branches[branch] = sha
        for number, pull in self.pulls.items():
            if pull.branch == branch and pull.state == "open":
                self.pulls[number] = replace(pull, head_sha=sha or pull.head_sha)
        self.hint(BranchPushed, repository=REPOSITORY, branch=branch, head_sha=sha or "", before=before, by=by)

    def delete_branch(self, repository: str, branch: str) -> None:
        """Delete it; its open pull request is closed by that."""
        self.reach()
        if branch in self.branches:
            self._move(branch, None, "loopline")
            for pull in [p for p in self.pulls.values() if p.branch == branch and p.state == "open"]:
                self.close(pull.number, "loopline")

    def open_of(self, branch: str) -> PullRequest | None:
        """The open pull request from this branch: the host allows one."""
        return next((p for p in self.pulls.values() if p.branch == branch and p.state == "open"), None)

    def mark_ready_for_review(self, number: int) -> None:
        """End the draft."""
        self.reach()
        self.pulls[number] = replace(self.pulls[number], draft=False)

    def open_pull_request(self, branch: str, base: str, title: str, body: str, *, draft: bool) -> PullRequest:
        """Find or open it."""
        self.reach()
        if there := self.open_of(branch):
            return there
        if branch not in self.branches or self.descends(self.branches[branch], self.branches[base]):
            raise Rejected(f"nothing to merge from {branch}")
        number = len(self.pulls) + 1
        head = self.branches[branch]
        self.pulls[number] = PullRequest(
            number, f"http://host/{number}", "open", False, branch, base, head, title, body, draft
        )
        return self.pulls[number]

    def fetch_pull_request(self, repository: str, number: int) -> PullRequest:
        """The pull request now."""
        self.reach()
        return self.pulls[number]

    def reviews(self, repository: str, number: int) -> list[Review]:
        """All reviews, oldest first."""
        self.reach()
        return self.given.get(number, [])

    def may_steer(self, repository: str, login: str) -> bool:
        """Loopline's own login has permission too, as with a personal token."""
        self.reach()
        return login in {"ana", "bob", "loopline"}

    def merge(self, number: int, sha: str, by: str = "loopline") -> str:
        """Merge if the head is `sha`; merged already is success."""
        self.reach()
        pull = self.pulls[number]
        if pull.merged:
            return self.branches[MAIN]
        if pull.state != "open":
            raise Rejected("the pull request is closed")
        if pull.draft:
            raise Rejected("the pull request is a draft")
        if pull.head_sha != sha:
            raise Conflict(f"the head is {pull.head_sha}")
        self.pulls[number] = replace(pull, state="closed", merged=True)
        # A merge commit has two parents; what matters here is that the base now contains the branch.
        self.branches[MAIN] = self.commit(f"merge{number}", sha)
        self.hint(PullRequestMerged, **self._place(number), by=by)
        return self.branches[MAIN]

    def close(self, number: int, by: str) -> None:
        """Close it without a merge, if it is open."""
        if self.pulls[number].state != "open":
            return
        self.pulls[number] = replace(self.pulls[number], state="closed")
        self.hint(PullRequestClosed, **self._place(number), by=by)

    def reopen(self, number: int) -> None:
        """Open it again; refused when its branch is gone or has another open pull request."""
        pull = self.pulls[number]
        if pull.branch in self.branches and not self.open_of(pull.branch) and not pull.merged:
            self.pulls[number] = replace(pull, state="open", head_sha=self.branches[pull.branch])
            self.hint(PullRequestReopened, **self._place(number))

    def review(self, number: int, state: str, author: Person) -> Review:
        """A person finishes a review of the head."""
        review = Review(self.new("review"), state, "rename it", author.id, self.pulls[number].head_sha)
        self.given.setdefault(number, []).append(review)
        self._hint_review(number, review, author)
        return review

    def dismiss(self, number: int, review: Review, author: Person) -> None:
        """Dismiss a review."""
        dismissed = replace(review, state="dismissed")
        self.given[number] = [dismissed if r.id == review.id else r for r in self.given[number]]
        self._hint_review(number, dismissed, author)

    def _hint_review(self, number: int, review: Review, author: Person) -> None:
        fields: dict[str, Any] = {"review_id": review.id, "state": review.state, "body": review.body}
        who = Person(id=author.id, name=author.id)
        name, place = (
            f"review:{review.id}:{review.state}",
            self._place(number) | {"head_sha": review.head_sha},
        )
        self.hint(ReviewSubmitted, name, **place, **fields, author=who)

    def say(self, number: int, body: str, author: Person, mark: str = "") -> None:
        """Write into the conversation; once under the same mark."""
        self.reach()
        if mark in self.marks:
            return
        self.marks |= {mark} - {""}
        body += f"{COMMENT_MARK}{mark} -->" if mark else ""
        who = Person(id=author.id, name=author.id)
        fields: dict[str, Any] = {"comment_id": self.new("remark"), "body": body, "author": who}
        self.hint(PullRequestCommented, repository=REPOSITORY, number=number, **fields)

    def _place(self, number: int) -> dict[str, Any]:
        pull = self.pulls[number]
        return {"repository": REPOSITORY, "number": number, "branch": pull.branch, "head_sha": pull.head_sha}
