"""Reviews, and their comments on lines of the diff."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from integrations.standins.github.changes import changes
from integrations.standins.github.diffs import FileDiff, Line
from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.records import Pull, Review, ReviewComment
from integrations.standins.github.routes.pulls import PULL
from integrations.standins.github.shapes.conversation import review as review_shape
from integrations.standins.github.shapes.conversation import review_comment, webhook_review
from integrations.standins.github.shapes.pulls import pull_request_simple

STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
OWN = {
    "APPROVE": "Can not approve your own pull request",
    "REQUEST_CHANGES": "Can not request changes on your own pull request",
}


class LineComment(Input):
    """`line` is a line number after the change."""

    path: str
    line: int
    body: str


class NewReview(Input):
    """Without an event the review is pending: only its author can see it."""

    event: Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"] | None = None
    body: str = ""
    commit_id: str | None = None
    comments: list[LineComment] = Field(default_factory=list)


class Dismissal(Input):
    message: str


@operation("GET", PULL + "/reviews", needs="pull_requests:read")
def list_reviews(call: Call) -> Reply:
    """Oldest first."""
    pull = call.pull
    reviews = call.hub.store.all(Review, repository=pull.repository, number=pull.number)
    return Reply([review_shape(call.view, pull, one) for one in reviews if _is_visible(call, one)])


@operation("GET", PULL + "/comments", needs="pull_requests:read")
def list_review_comments(call: Call) -> Reply:
    """The comments on lines, oldest first."""
    pull, store = call.pull, call.hub.store
    found = store.all(ReviewComment, repository=pull.repository, number=pull.number)
    shown = [one for one in found if _is_visible(call, store.get(Review, one.review_id))]
    return Reply([review_comment(call.view, pull, one) for one in shown])


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
        store.put(ReviewComment(store.new_id(), *columns, now()))
    if wanted.event:
        _submit(call, pull, review, wanted.event)
    return Reply(review_shape(call.view, pull, review))


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
    return Reply(review_shape(call.view, pull, review))


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
        shape = review_comment(call.view, pull, comment)
        call.aftermath.emit("pull_request_review_comment", "created", comment=shape, pull_request=shown)


def _emit(call: Call, pull: Pull, review: Review, action: str) -> None:
    shown = pull_request_simple(call.view, call.repository, pull)
    shape = webhook_review(call.view, pull, review)
    call.aftermath.emit("pull_request_review", action, review=shape, pull_request=shown)
