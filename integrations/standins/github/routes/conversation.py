"""The conversation of a pull request: comments, and reviews with their comments on lines of the diff."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from integrations.standins.github.changes import FileDiff, Line, changes
from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, invalid, not_found
from integrations.standins.github.records import IssueComment, Pull, Review, ReviewComment
from integrations.standins.github.routes.pulls import PULL
from integrations.standins.github.shapes.people import association, user
from integrations.standins.github.shapes.pulls import addresses, issue, pull_request_simple
from integrations.standins.github.shapes.view import View, fields_of, hrefs, node_id, reactions
from integrations.standins.github.threads import find_current_line, find_root

COMMENTS = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
OWN = {
    "APPROVE": "Can not approve your own pull request",
    "REQUEST_CHANGES": "Can not request changes on your own pull request",
}


class NewComment(Input):
    body: str


@operation("GET", COMMENTS, needs="pull_requests:read")
def list_comments(call: Call) -> Reply:
    """All comments, oldest first."""
    pull = call.pull
    comments = call.hub.store.all(IssueComment, repository=pull.repository, number=pull.number)
    return Reply([_issue_comment(call.view, pull, one) for one in comments])


@operation("POST", COMMENTS, needs="pull_requests:write")
def create_comment(call: Call) -> Reply:
    """Add a comment."""
    pull, body, store = call.pull, call.read(NewComment).body, call.hub.store
    if not body.strip():
        raise invalid("IssueComment", "body", code="missing_field")
    comment = IssueComment(store.new_id(), pull.repository, pull.number, call.actor.login, body, now())
    store.put(comment)
    pull.updated_at = now()
    store.put(pull)
    shape = _issue_comment(call.view, pull, comment)
    call.aftermath.emit("issue_comment", "created", issue=issue(call.view, pull), comment=shape)
    return Reply(shape, 201)


class LineComment(Input):
    """`start_line` to `line` are line numbers after the change."""

    path: str
    line: int
    body: str
    start_line: int | None = None
    side: Literal["RIGHT"] = "RIGHT"
    start_side: Literal["RIGHT"] | None = None


class NewReview(Input):
    """Without an event the review is pending: only its author can see it."""

    event: Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"] | None = None
    body: str = ""
    commit_id: str | None = None
    comments: list[LineComment] = Field(default_factory=list)


class NewReply(Input):
    body: str


class Dismissal(Input):
    message: str


@operation("GET", PULL + "/reviews", needs="pull_requests:read")
def list_reviews(call: Call) -> Reply:
    """Oldest first."""
    pull = call.pull
    reviews = call.hub.store.all(Review, repository=pull.repository, number=pull.number)
    return Reply([_review(call.view, pull, one) for one in reviews if _is_visible(call, one)])


@operation("GET", PULL + "/comments", needs="pull_requests:read")
def list_review_comments(call: Call) -> Reply:
    """The comments on lines, oldest first."""
    pull, store = call.pull, call.hub.store
    found = store.all(ReviewComment, repository=pull.repository, number=pull.number)
    shown = [one for one in found if _is_visible(call, store.get(Review, one.review_id))]
    return Reply([_without_place(_review_comment(call.view, pull, one)) for one in shown])


@operation("POST", PULL + "/reviews", needs="pull_requests:write")
def create_review(call: Call) -> Reply:
    """Approve, request changes or comment, with comments on lines."""
    repository, pull, wanted = call.repository, call.pull, call.read(NewReview)
    _check(call, pull, wanted)
    commit, store = wanted.commit_id or pull.head_sha, call.hub.store
    placed = [_place(repository, pull, comment) for comment in wanted.comments]
    where = pull.repository, pull.number
    review = Review(store.new_id(), *where, call.actor.login, "PENDING", wanted.body, commit)
    store.put(review)
    for comment, (file, line) in zip(wanted.comments, placed, strict=True):
        text = comment.path, comment.body, commit, file.hunk_until(line), comment.line, line.position
        columns = (*where, review.id, call.actor.login, *text)
        store.put(ReviewComment(store.new_id(), *columns, now(), start_line=comment.start_line))
    if wanted.event:
        _submit(call, pull, review, wanted.event)
    return Reply(_review(call.view, pull, review))


@operation("POST", PULL + "/comments/{comment_id}/replies", needs="pull_requests:write")
def reply_to_review_comment(call: Call) -> Reply:
    """Reply in the thread of a comment: as on GitHub, a review with this one comment."""
    pull, store, wanted = call.pull, call.hub.store, call.read(NewReply)
    above = store.get(ReviewComment, call.number("comment_id"))
    if above is None or (above.repository, above.number) != (pull.repository, pull.number):
        raise not_found()
    if not wanted.body.strip():
        raise Problem(422, "Unprocessable Entity", ["Body can't be blank"])
    root = find_root(store, above)
    review = Review(store.new_id(), pull.repository, pull.number, call.actor.login, "PENDING", "", pull.head_sha)
    store.put(review)
    reply = replace(root, id=store.new_id(), review_id=review.id, in_reply_to=root.id, resolved_by="")
    reply.author, reply.body, reply.created_at = call.actor.login, wanted.body, now()
    store.put(reply)
    _submit(call, pull, review, "COMMENT")
    return Reply(_without_place(_review_comment(call.view, pull, reply)), 201)


@operation("PUT", PULL + "/reviews/{review_id}/dismissals", needs="pull_requests:write", role="write")
def dismiss_review(call: Call) -> Reply:
    """Revoke an approval or a request for changes."""
    pull, review, _ = call.pull, call.hub.store.get(Review, call.number("review_id")), call.read(Dismissal)
    if review is None or (review.repository, review.number) != (pull.repository, pull.number):
        raise not_found()
    if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise Problem(422, "Unprocessable Entity", ["Can not dismiss a commented pull request review"])
    review.state = "DISMISSED"
    call.hub.store.put(review)
    _emit(call, pull, review, "dismissed")
    return Reply(_review(call.view, pull, review))


def _is_visible(call: Call, review: Review | None) -> bool:
    return review is not None and (review.state != "PENDING" or review.author == call.actor.login)


def _check(call: Call, pull: Pull, wanted: NewReview) -> None:
    """Raise 422 for a review that GitHub refuses."""
    if wanted.event in OWN and call.actor.login == pull.author:
        raise Problem(422, "Unprocessable Entity", [OWN[wanted.event]])
    if wanted.event in ("REQUEST_CHANGES", "COMMENT") and not wanted.body.strip() and not wanted.comments:
        raise Problem(422, "Unprocessable Entity", ["Review body can not be blank"])


def _place(repository: Repository, pull: Pull, comment: LineComment) -> tuple[FileDiff, Line]:
    """The comment's place in the diff. Raises a 422 `Problem` when the diff does not show it."""
    file = changes(repository, pull).file(comment.path)
    if file is None:
        raise Problem(422, "Unprocessable Entity", ["Path could not be resolved"])
    line = file.find(comment.line)
    if line is None:
        raise Problem(422, "Unprocessable Entity", ["Line could not be resolved"])
    return file, line


def _submit(call: Call, pull: Pull, review: Review, event: str) -> None:
    """Submit the review; each of its comments is an event of its own too."""
    review.state, review.submitted_at, pull.updated_at = STATES[event], now(), now()
    call.hub.store.put(review)
    call.hub.store.put(pull)
    _emit(call, pull, review, "submitted")
    shown = pull_request_simple(call.view, call.repository, pull)
    for comment in call.hub.store.all(ReviewComment, review_id=review.id):
        shape = _review_comment(call.view, pull, comment)
        call.aftermath.emit("pull_request_review_comment", "created", comment=shape, pull_request=shown)


def _emit(call: Call, pull: Pull, review: Review, action: str) -> None:
    shown = pull_request_simple(call.view, call.repository, pull)
    shape = _webhook_review(call.view, pull, review)
    call.aftermath.emit("pull_request_review", action, review=shape, pull_request=shown)


def _shared(view: View, pull: Pull, kind: str, one: IssueComment | Review | ReviewComment) -> dict[str, Any]:
    """The values of everything that a person writes."""
    return {
        **fields_of(one, "id", "body"),
        "node_id": node_id(kind, one.id),
        "user": user(view, one.author),
        "author_association": association(view, pull, one.author),
    }


def _issue_comment(view: View, pull: Pull, comment: IssueComment) -> dict[str, Any]:
    """`issue-comment`."""
    _, issue, page = addresses(view, pull)
    url = f"{view.repository_url(pull.repository)}/issues/comments/{comment.id}"
    return {
        **_shared(view, pull, "IC", comment),
        "url": url,
        "html_url": f"{page}#issuecomment-{comment.id}",
        "issue_url": issue,
        **dict.fromkeys(("created_at", "updated_at"), comment.created_at),
        "reactions": reactions(url),
        "performed_via_github_app": None,
    }


def _review(view: View, pull: Pull, one: Review) -> dict[str, Any]:
    """`pull-request-review`; a pending one has no `submitted_at`."""
    url, _, page = addresses(view, pull)
    html = f"{page}#pullrequestreview-{one.id}"
    submitted = {"submitted_at": one.submitted_at} if one.submitted_at else {}
    return {
        **_shared(view, pull, "PRR", one),
        **fields_of(one, "state", "commit_id"),
        "html_url": html,
        "pull_request_url": url,
        "_links": hrefs(html=html, pull_request=url),
        **submitted,
    }


def _webhook_review(view: View, pull: Pull, one: Review) -> dict[str, Any]:
    """The review in a webhook, where GitHub writes its state in lower case."""
    return {**_review(view, pull, one), "state": one.state.lower(), "updated_at": one.submitted_at or None}


def _review_comment(view: View, pull: Pull, comment: ReviewComment) -> dict[str, Any]:
    """`pull-request-review-comment`, which fits `review-comment` too."""
    pull_url, _, page = addresses(view, pull)
    url = f"{view.repository_url(pull.repository)}/pulls/comments/{comment.id}"
    html = f"{page}#discussion_r{comment.id}"
    line = find_current_line(view.hub.repository(pull.repository), pull, comment)
    first = None if comment.start_line is None or line is None else line - comment.line + comment.start_line
    side = comment.start_line and "RIGHT"
    replied = {"in_reply_to_id": comment.in_reply_to} if comment.in_reply_to else {}
    return {
        **_shared(view, pull, "PRRC", comment),
        "url": url,
        "pull_request_review_id": comment.review_id,
        **fields_of(comment, "diff_hunk", "path"),
        **replied,
        "position": comment.position if line else None,
        "original_position": comment.position,
        "line": line,
        "original_line": comment.line,
        "start_side": side,
        "start_line": first,
        "original_start_line": comment.start_line,
        "commit_id": pull.head_sha if line else comment.commit_id,
        "original_commit_id": comment.commit_id,
        **dict.fromkeys(("created_at", "updated_at"), comment.created_at),
        "html_url": html,
        "pull_request_url": pull_url,
        "_links": hrefs(self=url, html=html, pull_request=pull_url),
        "side": "RIGHT",
        "subject_type": "line",
        "reactions": reactions(url),
    }


def _without_place(comment: dict[str, Any]) -> dict[str, Any]:
    """The comment of a REST answer: when it is outdated, GitHub's description has no place for it, the webhook null."""
    return {name: value for name, value in comment.items() if value is not None or name not in ("line", "position")}
