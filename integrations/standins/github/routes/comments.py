"""The conversation of a pull request. There are no issues other than pull requests."""

from __future__ import annotations

from integrations.standins.github.hub import now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import invalid
from integrations.standins.github.records import IssueComment
from integrations.standins.github.shapes.conversation import issue_comment
from integrations.standins.github.shapes.pulls import issue

COMMENTS = "/repos/{owner}/{repo}/issues/{issue_number}/comments"


class NewComment(Input):
    body: str


@operation("GET", COMMENTS, needs="pull_requests:read")
def list_comments(call: Call) -> Reply:
    """All comments, oldest first."""
    pull = call.pull
    comments = call.hub.store.all(IssueComment, repository=pull.repository, number=pull.number)
    return Reply([issue_comment(call.view, pull, one) for one in comments])


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
    shape = issue_comment(call.view, pull, comment)
    call.aftermath.emit("issue_comment", "created", issue=issue(call.view, pull), comment=shape)
    return Reply(shape, 201)
