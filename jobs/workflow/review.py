"""Rules while people hold the work: merges, closed pull requests, foreign commits, checks of the code host."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import (
    BranchPushed,
    ChecksReported,
    PullRequestClosed,
    PullRequestMerged,
    PullRequestReopened,
)
from jobs.loop.commands import LinkPullRequest, MoveTicket, PostComment, SetNeedsHuman, SetStatus
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import replies
from jobs.messages.verdict import STATUS_CONTEXT, merged_message, pull_request_subtitle, pull_request_title
from jobs.workflow.decision import Decision, ServicePolicy, build_clean_up
from jobs.workflow.hand_over import interrupt, stop
from jobs.workflow.preflight import on_base_pushed

MAX_CHECKS, MAX_CHECK_NAME = 20, 100  # failing checks that the ticket shows, and characters of their names


def on_pull_request_merged(loop: Loop, event: PullRequestMerged) -> Decision:
    """The pull request is merged: the ticket is done, worktree and branch are deleted."""
    if not _is_own(loop, event.number) or loop.stage is Stage.DONE:
        return Decision(loop)
    done, url = replace(loop, stage=Stage.DONE, reason="", finished_at=event.at), loop.pull_request.url
    commands = (
        *interrupt(loop),
        LinkPullRequest(url=url, title=pull_request_title(done), subtitle=pull_request_subtitle(done)),
        SetNeedsHuman(needed=False),
        MoveTicket(column="done"),
        PostComment(body=merged_message(done), once=f"merged/{loop.pull_request.number}"),
        build_clean_up(loop, event.head_sha),
    )
    return Decision(done, commands)


def on_pull_request_closed(loop: Loop, event: PullRequestClosed, policy: ServicePolicy) -> Decision:
    if not _is_own(loop, event.number) or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    return stop(loop, replies.closed_reason(event.by), event.at, policy, clean_up=True)


def on_pull_request_reopened(loop: Loop, event: PullRequestReopened) -> Decision:
    """Return to the review; the code host reopens a pull request only when its branch exists again."""
    if not _is_own(loop, event.number) or loop.stage is not Stage.STOPPED or loop.workspace.taken_over_by:
        return Decision(loop)
    again = replace(
        loop,
        stage=Stage.REVIEW,
        reason="",
        finished_at=0.0,
        workspace=replace(loop.workspace, branch=event.branch or loop.workspace.branch),
        candidate=replace(loop.candidate, head_sha=event.head_sha),
        pull_request=replace(loop.pull_request, pushed_sha=event.head_sha, shown_at=event.at),
    )
    return Decision(again, (MoveTicket(column="review"),))


def on_branch_pushed(loop: Loop, event: BranchPushed, policy: ServicePolicy) -> Decision:
    """A foreign commit on the loop's branch voids the verdict and pauses the loop; one on the base branch can fix the
    environment."""
    if event.branch and event.branch == loop.workspace.base_branch:
        return on_base_pushed(loop, event, policy)
    known = {"", loop.candidate.head_sha, loop.pull_request.pushed_sha}
    if event.branch != loop.workspace.branch or event.head_sha in known or loop.stage not in OPEN | AT_WORK:
        return Decision(loop)
    pushed = replace(loop.pull_request.unapproved(), pushed_sha=event.head_sha, shown_at=event.at)
    void = replace(loop, candidate=loop.candidate.at(event.head_sha), pull_request=pushed)
    if loop.stage in AT_WORK:
        return stop(void, replies.pushed_reason(event.by), event.at, policy)
    loop = replace(void, stage=Stage.REVIEW)
    repository, unchecked = loop.workspace.repository, replies.UNCHECKED_DESCRIPTION
    status = SetStatus(repository=repository, sha=event.head_sha, state="pending", description=unchecked)
    return Decision(loop, (status, PostComment(body=replies.foreign_commit_message(event.by, event.head_sha))))


def on_checks_reported(loop: Loop, event: ChecksReported) -> Decision:
    """Show the result of the code host's own checks of the commit under review, without acting on it."""
    if event.head_sha != loop.pull_request.pushed_sha or event.name == STATUS_CONTEXT or loop.stage not in OPEN:
        return Decision(loop)
    others = tuple(name for name in loop.pull_request.failing_checks if name != event.name[:MAX_CHECK_NAME])
    failing = (*others, event.name[:MAX_CHECK_NAME])[-MAX_CHECKS:] if event.conclusion == "failure" else others
    if set(failing) == set(loop.pull_request.failing_checks):
        return Decision(loop)
    return Decision(replace(loop, pull_request=replace(loop.pull_request, failing_checks=failing)))


def _is_own(loop: Loop, number: int) -> bool:
    return bool(loop.pull_request.number) and number == loop.pull_request.number
