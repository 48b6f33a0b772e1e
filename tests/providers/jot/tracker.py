"""Jot as a tracker: every method reads the file, and writes it back under a lock."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from integrations.errors import NotFound, Rejected, Unauthorized
from integrations.ports.tracker import (
    Attachment,
    BoardColumn,
    Changes,
    Comment,
    Member,
    Move,
    Reaction,
    TicketSearch,
    WithoutSessions,
)
from integrations.values import NewRelation, Person, Ticket

TEAM, COLUMNS = "JOT", ("Backlog", "Agent", "In Progress", "In Review", "Done", "Needs Human")
US = "loopline"


def create(file: Path, token: str) -> None:
    """An empty board."""
    file.write_text(json.dumps({"token": token, "tickets": {}}))


class Jot(WithoutSessions):
    """`Tracker` on a JSON file with one team. People are their names; all of them may steer."""

    def __init__(self, file: Path, token: str) -> None:
        self._file, self._token = file, token

    def viewer(self) -> Person:
        return _person(US)

    def find_member(self, email: str, teams: Sequence[str]) -> Member | None:
        name, _, domain = email.partition("@")
        return Member(_person(name), tuple(teams)) if domain == "jot.test" else None

    # --- columns ----------------------------------------------------------------------------------------------------

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        if team != TEAM:
            raise Rejected(f"the board has no team {team!r}, only {TEAM}")
        if wrong := [column for column in columns if column not in COLUMNS]:
            raise Rejected(f"team {TEAM} has no column {wrong[0]!r}, only {', '.join(COLUMNS)}")

    def columns(self, team: str) -> Sequence[BoardColumn]:
        self.check_columns(team, [])
        return [BoardColumn(name, name) for name in COLUMNS]

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterable[Ticket]:
        self.check_columns(team, columns)
        with self._board() as tickets:
            found = [t for t in tickets.values() if t["column"] in columns and not t["trashed"]]
        return [_listed(ticket) for ticket in found]

    def find_tickets(self, search: TicketSearch, most: int) -> Iterable[Ticket]:
        self.check_columns(search.team, search.columns)
        labels = {label.lower() for label in search.labels}
        with self._board() as tickets:
            found = [
                ticket
                for ticket in tickets.values()
                if not ticket["trashed"]
                and ticket["column"] in (search.columns or COLUMNS)
                and search.text.lower() in f"{ticket['title']}\n{ticket['description']}".lower()
                and (not labels or labels & {label.lower() for label in ticket["labels"]})
            ]
        return [_listed(ticket) for ticket in found][::-1][:most]

    def fetch_with_attachments(self, ticket_id: str) -> tuple[Ticket, Sequence[Attachment]]:
        with self._changed(ticket_id) as one:
            return _ticket(one), [Attachment(**attachment) for attachment in one["attachments"]]

    def fetch_many(self, ticket_ids: Sequence[str]) -> Iterable[Ticket]:
        with self._board() as tickets:
            return [_listed(one) for one in tickets.values() if one["id"] in ticket_ids]

    def changes(self, teams: Sequence[str], since: float, watched: Sequence[str] = ()) -> Changes:
        """Everything: the file has no times."""
        with self._board() as tickets:
            there = [one for one in tickets.values() if not one["trashed"]] if TEAM in teams else []
        comments = [_comment(one["id"], comment) for one in there for comment in one["comments"]]
        return Changes([_listed(one) for one in there], comments, {comment.id for comment in comments})

    def move(self, ticket: Ticket, column: str) -> None:
        self.check_columns(TEAM, [column])
        with self._changed(ticket.id) as one:
            one["column"] = column

    # --- tickets and comments ---------------------------------------------------------------------------------------

    def fetch(self, ticket_id: str) -> Ticket:
        with self._changed(ticket_id) as one:
            return _ticket(one)

    def fetch_move(self, ticket_id: str, column_id: str, author: Person | None) -> Move:
        by = _person(author.id) if author and author.id else None
        return Move(self.fetch(ticket_id), by, author=by)

    def create_ticket(
        self,
        team: str,
        title: str,
        description: str,
        ticket_id: str,
        *,
        column: str = "",
        parent_id: str = "",
        relations: Sequence[NewRelation] = (),
        labels: Sequence[str] = (),
        priority: int = 0,
    ) -> Ticket:
        """The file has no parents, relations and priorities."""
        self.check_columns(team, [column] if column else [])
        with suppress(NotFound):
            return self.fetch(ticket_id)
        self.write(ticket_id, title, description, US)
        with self._changed(ticket_id) as one:
            one.update(column=column or COLUMNS[0], labels=[*labels])
        return self.fetch(ticket_id)

    def describe_ticket(self, ticket_id: str, description: str) -> None:
        with self._changed(ticket_id) as one:
            one["description"] = description

    def comment(self, ticket_id: str, body: str, comment_id: str, parent_id: str = "", author: str = US) -> None:
        with self._changed(ticket_id) as one:
            known = [comment["id"] for comment in one["comments"]]
            if comment_id not in known:
                parent = parent_id if parent_id in known else ""
                written = {"id": comment_id, "body": body, "author": author, "reactions": [], "parent": parent}
                one["comments"].append(written)

    def edit_comment(self, comment_id: str, body: str) -> None:
        with self._commented(comment_id) as (_, comment):
            comment["body"] = body

    def fetch_comment(self, comment_id: str) -> Comment:
        with self._commented(comment_id) as (ticket, comment):
            return _comment(ticket["id"], comment)

    def comments(self, ticket_id: str) -> Iterable[Comment]:
        with self._changed(ticket_id) as one:
            return [_comment(one["id"], comment) for comment in one["comments"]]

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        with self._commented(comment_id) as (_, comment):
            if not any(reaction["emoji"] == emoji for reaction in comment["reactions"]):
                comment["reactions"].append({"id": reaction_id, "emoji": emoji, "author": US})

    # --- attachments and labels -------------------------------------------------------------------------------------

    def attach(self, ticket_id: str, attachment: Attachment) -> None:
        with self._changed(ticket_id) as one:
            others = [other for other in one["attachments"] if other["url"] != attachment.url]
            one["attachments"] = [*others, asdict(attachment)]

    def show_report(self, ticket_id: str, body: str, comment_id: str, memory: Attachment, *, exists: bool) -> None:
        self.attach(ticket_id, memory)
        try:
            self.edit_comment(comment_id, body)
        except NotFound:
            self.comment(ticket_id, body, comment_id)

    def attachments(self, ticket_id: str) -> Iterable[Attachment]:
        with self._changed(ticket_id) as one:
            return [Attachment(**attachment) for attachment in one["attachments"]]

    def add_label(self, ticket: Ticket, label: str) -> None:
        with self._changed(ticket.id) as one:
            if label.lower() not in [known.lower() for known in one["labels"]]:
                one["labels"].append(label)

    def remove_label(self, ticket: Ticket, label: str) -> None:
        with self._changed(ticket.id) as one:
            one["labels"] = [known for known in one["labels"] if known.lower() != label.lower()]

    # --- what people do ---------------------------------------------------------------------------------------------

    def write(self, ticket_id: str, title: str, description: str, author: str = "ana") -> str:
        """A new ticket in the first column; returns its id."""
        with self._board() as tickets:
            tickets[ticket_id] = {
                "id": ticket_id,
                "identifier": f"{TEAM}-{len(tickets) + 1}",
                "title": title,
                "description": description,
                "author": author,
                "column": COLUMNS[0],
                "trashed": False,
                "labels": [],
                "comments": [],
                "attachments": [],
            }
        return ticket_id

    def trash(self, ticket_id: str) -> None:
        """Delete the ticket."""
        with self._changed(ticket_id) as one:
            one["trashed"] = True

    # --- the file ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _board(self) -> Iterator[dict[str, Any]]:
        with self._file.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            board = json.load(file)
            if board["token"] != self._token:
                raise Unauthorized("JOT_TOKEN is not the board's")
            yield board["tickets"]
            file.seek(0)
            file.truncate()
            json.dump(board, file)

    @contextmanager
    def _changed(self, ticket_id: str) -> Iterator[dict[str, Any]]:
        """The ticket by id or identifier."""
        with self._board() as tickets:
            found = [one for one in tickets.values() if ticket_id in (one["id"], one["identifier"])]
            if not found:
                raise NotFound(f"the board has no ticket {ticket_id!r}")
            yield found[0]

    @contextmanager
    def _commented(self, comment_id: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        with self._board() as tickets:
            found = [(one, c) for one in tickets.values() for c in one["comments"] if c["id"] == comment_id]
            if not found:
                raise NotFound(f"the board has no comment {comment_id!r}")
            yield found[0]


def _person(name: str) -> Person:
    return Person(id=name, name=name, may_steer=name != US, is_us=name == US)


def _ticket(one: dict[str, Any]) -> Ticket:
    kept = {key: one[key] for key in ("id", "identifier", "title", "description", "column", "trashed")}
    place = {"team": TEAM, "url": f"https://jot.example/{one['id']}", "branch_name": one["identifier"].lower()}
    return Ticket(**kept, **place, labels=tuple(one["labels"]), creator=_person(one["author"]))


def _listed(one: dict[str, Any]) -> Ticket:
    return replace(_ticket(one), description="", creator=None)


def _comment(ticket_id: str, comment: dict[str, Any]) -> Comment:
    reactions = (Reaction(r["id"], r["emoji"], _person(r["author"])) for r in comment["reactions"])
    author, parent = _person(comment["author"]), comment.get("parent", "")
    return Comment(comment["id"], ticket_id, comment["body"], author, reactions=tuple(reactions), parent_id=parent)
