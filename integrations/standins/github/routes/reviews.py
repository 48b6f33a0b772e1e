"""Reviews, and comments on lines of the diff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

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

REVIEW = PULL + "/reviews/{review_id}"
STATE_OF_EVENT = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
OWN = {
    "APPROVE": "Can not approve your own pull request",
    "REQUEST_CHANGES": "Can not request changes on your own pull request",
}

Event = Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"]
DiffSide = Literal["LEFT", "RIGHT"]


class LineWords(Input):
    """Words about a line, by number and side or by GitHub's older `position`."""

    path: str
    body: str
    line: int | None = None
    side: DiffSide = "RIGHT"
    start_line: int | None = None
    start_side: DiffSide | None = None
    position: int | None = None


class NewReview(Input):
    """Without an event the review waits until it is submitted."""

    event: Event | None = None
    body: str = ""
    commit_id: str | None = None
    comments: list[LineWords] = Field(default_factory=list)


class Submission(Input):
    event: Event
    body: str = ""


class Dismissal(Input):
    message: str
    event: Literal["DISMISS"] = "DISMISS"


class NewReviewComment(LineWords):
    commit_id: str
    subject_type: Literal["line"] = "line"
    in_reply_to: int | None = None


class Answer(Input):
    body: str


@operation("GET", PULL + "/reviews", needs="pull_requests:read")
def list_reviews(call: Call) -> Reply:
    """Oldest first; what waits to be submitted is seen by its author only."""
    pull = call.pull
    reviews = call.hub.store.all(Review, repository=pull.repository, number=pull.number)
    seen = [one for one in reviews if one.state != "PENDING" or one.author == call.actor.login]
    return Reply([review_shape(call.view, pull, one) for one in seen])


@operation("GET", REVIEW, needs="pull_requests:read")
def get_review(call: Call) -> Reply:
    """One review."""
    pull, review = _find(call)
    return Reply(review_shape(call.view, pull, review))


@operation("POST", PULL + "/reviews", needs="pull_requests:write")
def create_review(call: Call) -> Reply:
    """Approve, request changes or comment, with comments on lines."""
    repository, pull, wanted = call.repository, call.pull, call.read(NewReview)
    _check(call, pull, wanted.event, wanted.body, bool(wanted.comments))
    pending = call.hub.store.all(Review, repository=pull.repository, number=pull.number, state="PENDING")
    if any(one.author == call.actor.login for one in pending):
        raise Problem(422, "Unprocessable Entity", ["User can only have one pending review per pull request"])
    commit = wanted.commit_id or pull.head_sha
    placed = [_place(repository, pull, words) for words in wanted.comments]
    where = pull.repository, pull.number
    review = Review(call.hub.store.new_id(), *where, call.actor.login, "PENDING", wanted.body, commit)
    call.hub.store.put(review)
    for words, (file, line) in zip(wanted.comments, placed, strict=True):
        call.hub.store.put(_comment(call, pull, words, file, line, review.id, commit))
    if wanted.event:
        _submit(call, repository, pull, review, wanted.event)
    return Reply(review_shape(call.view, pull, review))


@operation("POST", REVIEW + "/events", needs="pull_requests:write")
def submit_review(call: Call) -> Reply:
    """Submit one's own waiting review."""
    (pull, review), wanted = _find(call), call.read(Submission)
    if review.state != "PENDING":
        raise Problem(422, "Unprocessable Entity", ["Can not submit a review that is not pending"])
    _check(call, pull, wanted.event, wanted.body or review.body, bool(_comments_of(call, review)))
    review.body = wanted.body or review.body
    _submit(call, call.repository, pull, review, wanted.event)
    return Reply(review_shape(call.view, pull, review))


@operation("PUT", REVIEW + "/dismissals", needs="pull_requests:write", role="write")
def dismiss_review(call: Call) -> Reply:
    """Take the weight off an approval or a request for changes."""
    (pull, review), _ = _find(call), call.read(Dismissal)
    if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
        raise Problem(422, "Unprocessable Entity", ["Can not dismiss a commented pull request review"])
    review.state = "DISMISSED"
    call.hub.store.put(review)
    _emit(
        call, call.repository, pull, "pull_request_review", "dismissed", review=webhook_review(call.view, pull, review)
    )
    return Reply(review_shape(call.view, pull, review))


@operation("GET", REVIEW + "/comments", needs="pull_requests:read")
def list_comments_of_review(call: Call) -> Reply:
    """The review's comments on lines."""
    pull, review = _find(call)
    return Reply([review_comment(call.view, pull, one) for one in _comments_of(call, review)])


@operation("GET", PULL + "/comments", needs="pull_requests:read")
def list_review_comments(call: Call) -> Reply:
    """All submitted comments on lines, oldest first."""
    pull = call.pull
    found = call.hub.store.all(ReviewComment, repository=pull.repository, number=pull.number)
    return Reply([review_comment(call.view, pull, one) for one in found if _is_out(call, one)])


@operation("POST", PULL + "/comments", needs="pull_requests:write")
def create_review_comment(call: Call) -> Reply:
    """A comment on a line, outside of a review; GitHub makes a review of it."""
    repository, pull, wanted = call.repository, call.pull, call.read(NewReviewComment)
    if wanted.in_reply_to is not None:
        return _answer(call, wanted.in_reply_to, wanted.body)
    file, line = _place(repository, pull, wanted)
    where = pull.repository, pull.number, call.actor.login
    review = Review(call.hub.store.new_id(), *where, "PENDING", "", wanted.commit_id)
    comment = _comment(call, pull, wanted, file, line, review.id, wanted.commit_id)
    call.hub.store.put(comment)
    _submit(call, repository, pull, review, "COMMENT")
    return Reply(review_comment(call.view, pull, comment), 201)


@operation("POST", PULL + "/comments/{comment_id}/replies", needs="pull_requests:write")
def reply_to_comment(call: Call) -> Reply:
    """An answer below a comment on a line."""
    return _answer(call, call.number("comment_id"), call.read(Answer).body)


def _find(call: Call) -> tuple[Pull, Review]:
    pull, review = call.pull, call.hub.store.get(Review, call.number("review_id"))
    if review is None or (review.repository, review.number) != (pull.repository, pull.number):
        raise not_found()
    return pull, review


def _check(call: Call, pull: Pull, event: str | None, body: str, has_comments: bool) -> None:
    """Raise 422 for what GitHub does not accept as a review."""
    if event in OWN and call.actor.login == pull.author:
        raise Problem(422, "Unprocessable Entity", [OWN[event]])
    if event in ("REQUEST_CHANGES", "COMMENT") and not body.strip() and not has_comments:
        raise Problem(422, "Unprocessable Entity", ["Review body can not be blank"])


def _place(repository: Repository, pull: Pull, words: LineWords) -> tuple[FileDiff, Line]:
    """Where in the diff the words belong. Raises a 422 `Problem` when the diff does not show that."""
    file = changes(repository, pull).file(words.path)
    if file is None:
        raise Problem(422, "Unprocessable Entity", ["Path could not be resolved"])
    line = file.find(words.line, words.side) if words.line is not None else file.at(words.position or 0)
    if line is None:
        raise Problem(422, "Unprocessable Entity", ["Line could not be resolved"])
    return file, line


def _comment(
    call: Call, pull: Pull, words: LineWords, file: FileDiff, line: Line, review_id: int, commit: str
) -> ReviewComment:
    side = words.side if words.line is not None else ("LEFT" if line.mark == "-" else "RIGHT")
    return ReviewComment(
        id=call.hub.store.new_id(),
        repository=pull.repository,
        number=pull.number,
        review_id=review_id,
        author=call.actor.login,
        path=file.path,
        body=words.body,
        commit_id=commit,
        diff_hunk=file.hunk_until(line),
        created_at=now(),
        updated_at=now(),
        line=line.old if side == "LEFT" else line.new,
        side=side,
        start_line=words.start_line,
        start_side=words.start_side or (side if words.start_line else None),
        position=line.position,
    )


def _comments_of(call: Call, review: Review) -> Sequence[ReviewComment]:
    return call.hub.store.all(ReviewComment, review_id=review.id)


def _is_out(call: Call, comment: ReviewComment) -> bool:
    review = call.hub.store.get(Review, comment.review_id or 0)
    return review is None or review.state != "PENDING" or review.author == call.actor.login


def _submit(call: Call, repository: Repository, pull: Pull, review: Review, event: str) -> None:
    """The review counts from now on; each of its comments is an event of its own too."""
    review.state, review.submitted_at, pull.updated_at = STATE_OF_EVENT[event], now(), now()
    call.hub.store.put(review)
    call.hub.store.put(pull)
    shape = webhook_review(call.view, pull, review)
    _emit(call, repository, pull, "pull_request_review", "submitted", review=shape)
    for comment in _comments_of(call, review):
        _emit_comment(call, repository, pull, comment)


def _answer(call: Call, comment_id: int, body: str) -> Reply:
    """Answers have no answers: one to an answer is put below the first comment of the thread."""
    repository, pull = call.repository, call.pull
    first = call.hub.store.get(ReviewComment, comment_id)
    if first is None or (first.repository, first.number) != (pull.repository, pull.number):
        raise not_found()
    where = pull.repository, pull.number, call.actor.login
    review = Review(call.hub.store.new_id(), *where, "PENDING", "", pull.head_sha)
    comment = replace(
        first,
        id=call.hub.store.new_id(),
        review_id=review.id,
        author=call.actor.login,
        body=body,
        created_at=now(),
        updated_at=now(),
        in_reply_to_id=first.in_reply_to_id or first.id,
    )
    call.hub.store.put(comment)
    _submit(call, repository, pull, review, "COMMENT")
    return Reply(review_comment(call.view, pull, comment), 201)


def _emit_comment(call: Call, repository: Repository, pull: Pull, comment: ReviewComment) -> None:
    shape = review_comment(call.view, pull, comment)
    _emit(call, repository, pull, "pull_request_review_comment", "created", comment=shape)


def _emit(call: Call, repository: Repository, pull: Pull, event: str, action: str, **parts: Any) -> None:
    call.emit(event, action, pull_request=pull_request_simple(call.view, repository, pull), **parts)
