"""Rules from a passing verdict to a pull request under review, and for commands that cannot be performed."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import BranchPublished, CommandFailed, PullRequestOpened
from jobs.loop.commands import (
    Command,
    DescribePullRequest,
    LinkPullRequest,
    MarkReadyForReview,
    MoveTicket,
    OpenPullRequest,
    PostComment,
    SetNeedsHuman,
    SetStatus,
)
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.state import AT_WORK, EscalationClass, Loop, Stage
from jobs.messages.pull_request import list_proofs, pull_request_body, pull_request_title
from jobs.messages.replies import criteria_met_description, not_merged_reason
from jobs.messages.verdict import pull_request_subtitle, verdict_message
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate


def on_branch_published(loop: Loop, event: BranchPublished, policy: ServicePolicy) -> Decision:
    """The candidate is on the code host: open or update the pull request."""
    if event.generation != loop.generation or loop.stage not in {Stage.PUBLISHING, Stage.STOPPED}:
        return Decision(loop)
    loop = replace(loop, pull_request=replace(loop.pull_request, pushed_sha=event.head_sha))
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
        base_sha=loop.workspace.base_sha,
        template=loop.workflow.pull_request.template,
        proofs=list_proofs(loop),
        draft=loop.workflow.pull_request.draft,
    )
    return Decision(loop, (command,))


def on_pull_request_opened(loop: Loop, event: PullRequestOpened, policy: ServicePolicy) -> Decision:
    """Ask for a review: verdict, status, link, review column."""
    if event.generation != loop.generation or loop.stage is not Stage.PUBLISHING:
        return Decision(loop)
    is_new = not loop.pull_request.number
    found = replace(loop.pull_request, number=event.number, url=event.url, shown_at=event.at, failing_checks=())
    shown = replace(found, draft=event.draft) if is_new else found
    place = replace(loop.workspace, base_branch=event.base or loop.workspace.base_branch)
    loop = replace(loop, stage=Stage.REVIEW, pull_request=shown, workspace=place)
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
    wanted = replace(loop.workflow.pull_request, reviewers="none")
    described = [replace(_describe(loop, wanted), is_first=True)] if is_new else []
    loop, announced = announce(loop)
    shown_on_ticket = (verdict, SetNeedsHuman(needed=False), MoveTicket(column="review"))
    return Decision(loop, (status, link, *described, *announced, *shown_on_ticket))


def announce(loop: Loop) -> tuple[Loop, list[Command]]:
    """Once per pull request, when its review begins: end the draft, request reviewers."""
    pull_request, wanted = loop.pull_request, loop.workflow.pull_request
    if pull_request.announced:
        return loop, []
    commands: list[Command] = []
    if pull_request.draft:
        commands.append(MarkReadyForReview(repository=loop.workspace.repository, number=pull_request.number))
    if wanted.reviewers != "none":
        commands.append(_describe(loop, replace(wanted, labels=(), milestone="")))
    return replace(loop, pull_request=replace(pull_request, draft=False, announced=True)), commands


def _describe(loop: Loop, wanted: PullRequestPolicy) -> DescribePullRequest:
    return DescribePullRequest(
        repository=loop.workspace.repository,
        number=loop.pull_request.number,
        base_sha=loop.workspace.base_sha,
        head_sha=loop.candidate.head_sha,
        wanted=wanted,
    )


def on_command_failed(loop: Loop, event: CommandFailed) -> Decision:
    """A command cannot be performed. Escalate one that the loop needs; others are only logged."""
    if event.generation != loop.generation:
        return Decision(loop)
    if event.command == "MergePullRequest" and loop.stage is Stage.MERGING:
        loop = replace(loop, stage=Stage.REVIEW, reason=not_merged_reason(event.reason))
        return Decision(loop, (PostComment(body=loop.reason),))
    needed = {"PrepareWorkspace", "PublishBranch", "OpenPullRequest", "StartRun"}
    if event.command in needed and loop.stage in AT_WORK:
        kind: EscalationClass = "conflict" if event.command == "PublishBranch" else "infrastructure"
        return escalate(loop, event.problem or kind, event.reason, event.at)
    lost = (event.put_aside or event.problem) and event.command != "PostComment"
    lost = lost or event.command in {"DescribePullRequest", "MarkReadyForReview"}
    if lost or (event.command == "PublishBranch" and loop.stage is Stage.STOPPED):
        return Decision(loop, (PostComment(body=event.reason),))
    return Decision(loop)
