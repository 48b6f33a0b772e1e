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
    ReadChecks,
    SetNeedsHuman,
    SetStatus,
)
from jobs.loop.merge_state import MergeState
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.state import AT_WORK, EscalationClass, Loop, Stage
from jobs.messages.pull_request import list_proofs, pull_request_body, pull_request_title
from jobs.messages.replies import criteria_met_description, not_merged_reason
from jobs.messages.verdict import pull_request_subtitle, verdict_message
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.review_answers import answer_threads, end_round
from jobs.workflow.upstream import schedule, settle


def on_branch_published(loop: Loop, event: BranchPublished, policy: ServicePolicy) -> Decision:
    """The candidate is on the code host: open or update the pull request."""
    if event.generation != loop.generation or loop.stage not in {Stage.PUBLISHING, Stage.STOPPED}:
        return Decision(loop)
    pushed = replace(loop.pull_request, pushed_sha=event.head_sha, title=pull_request_title(loop))
    loop = settle(replace(loop, pull_request=pushed))
    if loop.stage is Stage.STOPPED:
        return Decision(loop)
    command = OpenPullRequest(
        generation=loop.generation,
        repository=loop.workspace.repository,
        branch=loop.workspace.branch,
        base=loop.workspace.base_branch,
        chosen=bool(loop.workspace.chosen_base),
        title=loop.foreign.title or pull_request_title(loop),
        body=pull_request_body(loop, policy.dashboard_url),
        base_sha=loop.workspace.base_sha,
        template=loop.workflow.pull_request.template,
        proofs=list_proofs(loop),
        draft=loop.workflow.pull_request.draft,
    )
    return Decision(loop, (command,))


def on_pull_request_opened(loop: Loop, event: PullRequestOpened, policy: ServicePolicy) -> Decision:
    """Show verdict and link, then wait for the code host's checks; without any the review begins at once."""
    if event.generation != loop.generation or loop.stage is not Stage.PUBLISHING:
        return Decision(loop)
    is_new = not loop.pull_request.number
    found = replace(loop.pull_request, number=event.number, url=event.url, shown_at=event.at)
    shown = found if found.announced else replace(found, draft=event.draft)
    place = replace(loop.workspace, base_branch=event.base or loop.workspace.base_branch)
    ci = loop.ci.begin(loop.pull_request.pushed_sha, event.at)
    loop = replace(loop, stage=Stage.CI, pull_request=shown, workspace=place, ci=ci)
    loop = schedule(loop, event.at, policy) if loop.upstream.has_moved else loop
    total = len(loop.contract.required) if loop.contract else 0
    status = SetStatus(
        repository=loop.workspace.repository,
        sha=loop.candidate.head_sha,
        state="success",
        description=criteria_met_description(total),
    )
    link = LinkPullRequest(url=event.url, title=pull_request_title(loop), subtitle=pull_request_subtitle(loop))
    wanted = replace(loop.workflow.pull_request, reviewers="none")
    described = [replace(_describe(loop, wanted), is_first=True)] if is_new else []
    return Decision(end_round(loop), (status, link, *described, *answer_threads(loop), build_read(loop)))


def build_read(loop: Loop) -> ReadChecks:
    """The command that reads the checks of the pull request's head."""
    return ReadChecks(
        generation=loop.generation,
        repository=loop.workspace.repository,
        number=loop.pull_request.number,
        sha=loop.pull_request.pushed_sha,
        base_branch=loop.workspace.base_branch,
        base_sha=loop.workspace.base_sha,
    )


def enter_review(loop: Loop, policy: ServicePolicy, *commands: Command) -> Decision:
    """Ask for a review: verdict and review column."""
    loop = replace(loop, stage=Stage.REVIEW, reason="", escalation=None)
    once = f"{loop.started_at}/{loop.revision}/{loop.candidate.head_sha}"
    verdict = PostComment(body=verdict_message(loop, policy.dashboard_url), once=once)
    loop, announced = announce(loop)
    return Decision(loop, (*commands, *announced, verdict, SetNeedsHuman(needed=False), MoveTicket(column="review")))


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
        reason = not_merged_reason(event.reason)
        loop = replace(loop, stage=Stage.REVIEW, reason=reason, merging=MergeState())
        return Decision(loop, (PostComment(body=loop.reason),))
    splits = event.command == "CreateTicket" and loop.stage is Stage.WAITING
    needed = {"PrepareWorkspace", "MergeBase", "PublishBranch", "OpenPullRequest", "StartRun"}
    if (event.command in needed or splits) and loop.stage in AT_WORK:
        kind: EscalationClass = "conflict" if event.command == "PublishBranch" else "infrastructure"
        return escalate(loop, event.problem or kind, event.reason, event.at)
    lost = (event.put_aside or event.problem or event.command == "CreateTicket") and event.command != "PostComment"
    lost = lost or event.command in {"DescribePullRequest", "MarkReadyForReview"}
    if lost or (event.command == "PublishBranch" and loop.stage is Stage.STOPPED):
        return Decision(loop, (PostComment(body=event.reason),))
    return Decision(loop)
