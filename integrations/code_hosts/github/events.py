"""Translation of GitHub's webhook payloads into events.

Called by `webhooks` with a verified body. Pure: JSON in, events out; raises only pydantic's `ValidationError`. Branch
names of forks are omitted, because a fork can have a branch of the same name. An inline comment arrives twice, alone
and in its review: only the review becomes an event, and `jobs.effects.gather` reads its comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict

from pydantic import AwareDatetime

from integrations.code_hosts.github import payloads as github
from integrations.events import (
    BranchPushed,
    ChecksReported,
    Event,
    MergeGroupRequested,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestDequeued,
    PullRequestMerged,
    PullRequestReopened,
    ReviewSubmitted,
)
from integrations.values import NO_COMMIT, CommitSha, Person

_BRANCH = "refs/heads/"
_PASSING = {"success", "neutral", "skipped"}
_MERGED_REASONS = {"MERGE", "ALREADY_MERGED"}
_GROUP = re.compile(r"/pr-(\d{1,10})-[0-9a-f]{40}$")


class _Envelope(github.Payload):
    action: github.Text = ""
    repository: github.Repository
    sender: github.User | None = None


class _PullRequestEvent(_Envelope):
    """`reason` is that of 'dequeued' and 'auto_merge_disabled'."""

    pull_request: github.PullRequest
    reason: github.Text = ""


class _GroupHead(github.Payload):
    timestamp: AwareDatetime | None = None


class _MergeGroup(github.Payload):
    head_sha: CommitSha
    head_ref: str
    head_commit: _GroupHead = _GroupHead()


class _MergeGroupEvent(_Envelope):
    merge_group: _MergeGroup


class _ReviewEvent(_PullRequestEvent):
    review: github.Review


class _ReviewCommentEvent(_PullRequestEvent):
    comment: github.ReviewComment


class _Issue(github.Payload):
    number: int
    pull_request: dict[str, Any] | None = None


class _IssueCommentEvent(_Envelope):
    issue: _Issue
    comment: github.Comment


class _PushEvent(_Envelope):
    ref: str
    before: CommitSha
    after: CommitSha
    deleted: bool = False


class _Branch(github.Payload):
    name: str
    commit: github.GitObject


class _StatusEvent(_Envelope, github.Status):
    sha: CommitSha
    branches: tuple[_Branch, ...] = ()
    updated_at: AwareDatetime | None = None


class _CheckRunEvent(_Envelope):
    check_run: github.CheckRun


class _CheckSuiteEvent(_Envelope):
    check_suite: github.CheckSuite


class _WorkflowRunEvent(_Envelope):
    workflow: github.Named
    workflow_run: github.WorkflowRun


class _Fields(TypedDict):
    """The fields that all code-host events share."""

    event_id: str
    at: float
    repository: str
    number: int
    branch: str
    head_sha: CommitSha


def _translate_pull_request(body: Any, event_id: str) -> list[Event]:
    event = _PullRequestEvent.model_validate(body)
    pull, by = event.pull_request, _get_login(event.sender)
    fields = _build_pull_request_fields(event, event_id, pull.head.sha, pull.updated_at)
    match event.action:
        case "closed" if pull.is_merged:
            by = _get_login(pull.merged_by) or by
            return [PullRequestMerged(**fields, merge_sha=pull.merge_commit_sha, by=by)]
        case "closed":
            return [PullRequestClosed(**fields, by=by)]
        case "reopened":
            return [PullRequestReopened(**fields)]
        case "dequeued" | "auto_merge_disabled" if event.reason.upper() not in _MERGED_REASONS:
            return [PullRequestDequeued(**fields, reason=event.reason.lower())]
    return []


def _translate_review(body: Any, event_id: str) -> list[Event]:
    event = _ReviewEvent.model_validate(body)
    review = event.review
    if event.action not in ("submitted", "dismissed") or review.state == "pending":
        return []
    fields = _build_pull_request_fields(event, event_id, review.commit_id, review.submitted_at)
    fields["event_id"] = f"review:{review.id}:{review.state}"  # same id as that of polling, so it is deduplicated
    author = _to_person(review.user)
    return [ReviewSubmitted(**fields, review_id=str(review.id), state=review.state, body=review.body, author=author)]


def _translate_review_comment(body: Any, event_id: str) -> list[Event]:
    event = _ReviewCommentEvent.model_validate(body)
    comment = event.comment
    if event.action != "created" or comment.pull_request_review_id is not None:
        return []
    fields = _build_pull_request_fields(event, event_id, event.pull_request.head.sha, comment.created_at)
    return [_build_comment_event(fields, comment, path=comment.path, line=comment.current_line)]


def _translate_issue_comment(body: Any, event_id: str) -> list[Event]:
    event = _IssueCommentEvent.model_validate(body)
    if event.action != "created" or event.issue.pull_request is None:
        return []
    fields = _build_fields(event, event_id, event.comment.created_at, number=event.issue.number)
    return [_build_comment_event(fields, event.comment)]


def _translate_merge_group(body: Any, event_id: str) -> list[Event]:
    """A merge group has the number of its last pull request in its branch, as 'gh-readonly-queue/main/pr-7-<sha>'."""
    event = _MergeGroupEvent.model_validate(body)
    found = _GROUP.search(event.merge_group.head_ref)
    if event.action != "checks_requested" or found is None:
        return []
    group = event.merge_group
    at = group.head_commit.timestamp
    fields = _build_fields(event, event_id, at, number=int(found[1]), head_sha=group.head_sha)
    return [MergeGroupRequested(**fields)]


def _translate_push(body: Any, event_id: str) -> list[Event]:
    event = _PushEvent.model_validate(body)
    if not event.ref.startswith(_BRANCH):
        return []
    branch, head_sha = event.ref.removeprefix(_BRANCH), NO_COMMIT if event.deleted else event.after
    fields = _build_fields(event, event_id, event.repository.pushed_at, branch=branch, head_sha=head_sha)
    return [BranchPushed(**fields, before=event.before, by=_get_login(event.sender))]


def _translate_status(body: Any, event_id: str) -> list[Event]:
    event = _StatusEvent.model_validate(body)
    heads = [branch.name for branch in event.branches if branch.commit.sha == event.sha]
    branch = heads[0] if len(heads) == 1 else ""
    fields = _build_fields(event, event_id, event.updated_at, branch=branch, head_sha=event.sha)
    conclusion = "pending" if event.state == "pending" else _to_conclusion(event.state)
    return [ChecksReported(**fields, name=event.context, conclusion=conclusion, url=event.target_url)]


def _translate_check_run(body: Any, event_id: str) -> list[Event]:
    event = _CheckRunEvent.model_validate(body)
    run = event.check_run
    if event.action != "completed":
        return []
    number, branch = _find_number(run.pull_requests, event), run.check_suite.head_branch if run.check_suite else ""
    fields = _build_fields(event, event_id, run.completed_at, number=number, branch=branch, head_sha=run.head_sha)
    return [ChecksReported(**fields, name=run.name, conclusion=_to_conclusion(run.conclusion), url=run.details_url)]


def _translate_check_suite(body: Any, event_id: str) -> list[Event]:
    event = _CheckSuiteEvent.model_validate(body)
    suite = event.check_suite
    if event.action != "completed":
        return []
    number, branch = _find_number(suite.pull_requests, event), suite.head_branch
    fields = _build_fields(event, event_id, suite.updated_at, number=number, branch=branch, head_sha=suite.head_sha)
    name = suite.app.name if suite.app else ""
    return [ChecksReported(**fields, name=name, conclusion=_to_conclusion(suite.conclusion))]


def _translate_workflow_run(body: Any, event_id: str) -> list[Event]:
    event = _WorkflowRunEvent.model_validate(body)
    run = event.workflow_run
    if event.action != "completed":
        return []
    from_fork = run.head_repository is not None and run.head_repository.id != event.repository.id
    number, branch = _find_number(run.pull_requests, event), "" if from_fork else run.head_branch
    fields = _build_fields(event, event_id, run.updated_at, number=number, branch=branch, head_sha=run.head_sha)
    name = run.name or event.workflow.name
    return [ChecksReported(**fields, name=name, conclusion=_to_conclusion(run.conclusion), url=run.html_url)]


def _build_fields(
    event: _Envelope,
    event_id: str,
    at: datetime | None,
    *,
    number: int = 0,
    branch: str = "",
    head_sha: CommitSha = NO_COMMIT,
) -> _Fields:
    return {
        "event_id": event_id,
        "at": at.timestamp() if at else 0.0,
        "repository": event.repository.full_name,
        "number": number,
        "branch": branch,
        "head_sha": head_sha,
    }


def _build_pull_request_fields(
    event: _PullRequestEvent, event_id: str, head_sha: CommitSha, at: datetime | None
) -> _Fields:
    pull = event.pull_request
    return _build_fields(event, event_id, at, number=pull.number, branch=pull.branch, head_sha=head_sha)


def _build_comment_event(
    fields: _Fields, comment: github.Comment, path: str = "", line: int = 0
) -> PullRequestCommented:
    author = _to_person(comment.user)
    return PullRequestCommented(
        **fields, comment_id=str(comment.id), body=comment.body, path=path, line=line, author=author
    )


def _find_number(pulls: tuple[github.PullRequestOfCheck, ...], event: _Envelope) -> int:
    """The pull request's number in this repository, else 0: GitHub also lists those of forks."""
    home = github.RepositoryId(id=event.repository.id)
    return next((pull.number for pull in pulls if pull.base.repo == home), 0)


def _to_conclusion(conclusion: str) -> Literal["success", "failure"]:
    """Success or failure; unknown values count as failure."""
    return "success" if conclusion in _PASSING else "failure"


def _get_login(user: github.User | None) -> str:
    return user.login if user else ""


def _to_person(user: github.User | None) -> Person | None:
    if user is None or not user.login:
        return None
    return Person(id=user.login, name=user.login, is_bot=user.type == "Bot" or user.login.endswith("[bot]"))


TRANSLATORS: Mapping[str, Callable[[Any, str], list[Event]]] = {
    "check_run": _translate_check_run,
    "check_suite": _translate_check_suite,
    "issue_comment": _translate_issue_comment,
    "merge_group": _translate_merge_group,
    "pull_request": _translate_pull_request,
    "pull_request_review": _translate_review,
    "pull_request_review_comment": _translate_review_comment,
    "push": _translate_push,
    "status": _translate_status,
    "workflow_run": _translate_workflow_run,
}
