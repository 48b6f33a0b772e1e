"""Rules from a passing verdict to a pull request under review, and for commands that cannot be performed."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import BranchPublished, CommandFailed, PullRequestOpened
from jobs.loop.commands import LinkPullRequest, MoveTicket, OpenPullRequest, PostComment, SetNeedsHuman, SetStatus
from jobs.loop.merge_state import MergeState
from jobs.loop.state import AT_WORK, EscalationClass, Loop, Stage
from jobs.messages.replies import criteria_met_description, not_merged_reason
from jobs.messages.verdict import pull_request_body, pull_request_subtitle, pull_request_title, verdict_message
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.upstream import schedule, settle


def on_branch_published(loop: Loop, event: BranchPublished, policy: ServicePolicy) -> Decision:
    """The candidate is on the code host: open or update the pull request."""
    if event.generation != loop.generation or loop.stage not in {Stage.PUBLISHING, Stage.STOPPED}:
        return Decision(loop)
    loop = settle(replace(loop, pull_request=replace(loop.pull_request, pushed_sha=event.head_sha)))
    if loop.stage is Stage.STOPPED:
        return Decision(loop)
    command = OpenPullRequest(
        generation=loop.generation,
        repository=loop.workspace.repository,
        branch=loop.workspace.branch,
        base=loop.workspace.base_branch,
        chosen=bool(loop.workspace.chosen_base),
        title=pull_request_title(loop),
        body=pull_request_body(loop, policy.dashboard_url),
    )
    return Decision(loop, (command,))


def on_pull_request_opened(loop: Loop, event: PullRequestOpened, policy: ServicePolicy) -> Decision:
    """Ask for a review: verdict, status, link, review column."""
    if event.generation != loop.generation or loop.stage is not Stage.PUBLISHING:
        return Decision(loop)
    shown = replace(loop.pull_request, number=event.number, url=event.url, shown_at=event.at, failing_checks=())
    place = replace(loop.workspace, base_branch=event.base or loop.workspace.base_branch)
    loop = replace(loop, stage=Stage.REVIEW, pull_request=shown, workspace=place)
    loop = schedule(loop, event.at, policy) if loop.upstream.has_moved else loop
    total = len(loop.contract.required) if loop.contract else 0
    status = SetStatus(
        repository=loop.workspace.repository,
        sha=loop.candidate.head_sha,
        state="success",
        description=criteria_met_description(total),
    )
    link = LinkPullRequest(url=event.url, title=pull_request_title(loop), subtitle=pull_request_subtitle(loop))
    once = f"{loop.started_at}/{loop.revision}/{loop.candidate.head_sha}"
    verdict = PostComment(body=verdict_message(loop, policy.dashboard_url), once=once)
    return Decision(loop, (status, link, verdict, SetNeedsHuman(needed=False), MoveTicket(column="review")))


def on_command_failed(loop: Loop, event: CommandFailed) -> Decision:
    """A command cannot be performed. Escalate one that the loop needs; others are only logged."""
    if event.generation != loop.generation:
        return Decision(loop)
    if event.command == "MergePullRequest" and loop.stage is Stage.MERGING:
        reason = not_merged_reason(event.reason)
        loop = replace(loop, stage=Stage.REVIEW, reason=reason, merging=MergeState())
        return Decision(loop, (PostComment(body=loop.reason),))
    needed = {"PrepareWorkspace", "MergeBase", "PublishBranch", "OpenPullRequest", "StartRun"}
    if event.command in needed and loop.stage in AT_WORK:
        kind: EscalationClass = "conflict" if event.command == "PublishBranch" else "infrastructure"
        return escalate(loop, event.problem or kind, event.reason, event.at)
    lost = (event.put_aside or event.problem) and event.command != "PostComment"
    if lost or (event.command == "PublishBranch" and loop.stage is Stage.STOPPED):
        return Decision(loop, (PostComment(body=event.reason),))
    return Decision(loop)
