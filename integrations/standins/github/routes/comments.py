"""The conversation of a pull request. There are no issues here beside pull requests."""

from __future__ import annotations

from integrations.standins.github.hub import now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, invalid, not_found
from integrations.standins.github.records import IssueComment, Pull
from integrations.standins.github.seed import ROLES
from integrations.standins.github.shapes.conversation import issue_comment
from integrations.standins.github.shapes.pulls import issue

COMMENTS = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment_id}"


class Words(Input):
    body: str


@operation("GET", COMMENTS, needs="pull_requests:read")
def list_comments(call: Call) -> Reply:
    """Oldest first; `since` counts by the last change."""
    pull = call.pull
    since = call.request.query.get("since", "")
    comments = call.hub.store.all(IssueComment, repository=pull.repository, number=pull.number)
    return Reply([issue_comment(call.view, pull, one) for one in comments if one.updated_at >= since])


@operation("POST", COMMENTS, needs="pull_requests:write")
def create_comment(call: Call) -> Reply:
    """Say something."""
    pull, body = call.pull, _words(call)
    where = pull.repository, pull.number
    comment = IssueComment(call.hub.store.new_id(), *where, call.actor.login, body, now(), now())
    call.hub.store.put(comment)
    _touch(call, pull)
    _emit(call, "created", pull, comment)
    return Reply(issue_comment(call.view, pull, comment), 201)


@operation("GET", COMMENT, needs="pull_requests:read")
def get_comment(call: Call) -> Reply:
    """One comment."""
    pull, comment = _find(call)
    return Reply(issue_comment(call.view, pull, comment))


@operation("PATCH", COMMENT, needs="pull_requests:write")
def edit_comment(call: Call) -> Reply:
    """Change one's own words, or with write access anyone's."""
    pull, comment = _find(call)
    role = call.actor.role(pull.repository, True)
    may_edit = comment.author == call.actor.login or ROLES.index(role) >= ROLES.index("write")
    if not may_edit:
        raise Problem(403, "Must have admin rights to Repository.")
    before, comment.body, comment.updated_at = comment.body, _words(call), now()
    call.hub.store.put(comment)
    _emit(call, "edited", pull, comment, changes={"body": {"from": before}})
    return Reply(issue_comment(call.view, pull, comment))


def _words(call: Call) -> str:
    body = call.read(Words).body
    if not body.strip():
        raise invalid("IssueComment", "body", code="missing_field")
    return body


def _find(call: Call) -> tuple[Pull, IssueComment]:
    comment = call.hub.store.get(IssueComment, call.number("comment_id"))
    if comment is None or comment.repository != call.repository.name:
        raise not_found()
    return call.hub.pull(call.repository, comment.number), comment


def _touch(call: Call, pull: Pull) -> None:
    pull.updated_at = now()
    call.hub.store.put(pull)


def _emit(call: Call, action: str, pull: Pull, comment: IssueComment, **more: object) -> None:
    shapes = {"issue": issue(call.view, pull), "comment": issue_comment(call.view, pull, comment)}
    call.emit("issue_comment", action, **shapes, **more)
