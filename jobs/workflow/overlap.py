"""Rules for tickets that edit the same files: the later one waits before its first maker, or both get a warning."""

from __future__ import annotations

from dataclasses import replace

from integrations.values import TicketRef
from integrations.workload_events import OverlapFound, PathsClaimed
from jobs.loop.commands import Command, PostComment
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.loop.wait_state import ClaimPaths, WaitState
from jobs.messages import waiting as messages
from jobs.workflow.blockers import explain, wait, watch
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.run import start_iteration


def start_first_iteration(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Start the maker; with a plan, after the claim of its files."""
    plan, rules = loop.planning.plan, loop.workflow.overlap
    is_new = not loop.attempt.iteration and not loop.pull_request.number
    if rules.files == "off" or not is_new or plan is None or not plan.paths:
        return start_iteration(loop, at, policy, *commands)
    claiming = replace(loop, stage=Stage.WAITING, reason="", wait=replace(loop.wait, kind="files", overlaps=()))
    return Decision(claiming, (*commands, claim_planned(claiming)))


def claim_planned(loop: Loop) -> ClaimPaths:
    """The claim of the planned files; it waits for others unless policy or a person does not want that."""
    waits = loop.workflow.overlap.files == "wait" and not loop.wait.anyway
    paths = loop.planning.plan.paths if loop.planning.plan else ()
    return replace(_claim(loop), paths=paths, waits=waits)


def claim_changed(loop: Loop) -> tuple[Command, ...]:
    """The claim of the candidate's changed files, in place of the planned ones."""
    if loop.workflow.overlap.files == "off":
        return ()
    return (replace(_claim(loop), base_sha=loop.workspace.base_sha, sha=loop.candidate.head_sha),)


def _claim(loop: Loop) -> ClaimPaths:
    place = loop.workspace
    return ClaimPaths(
        generation=loop.generation,
        repository=place.repository,
        base_branch=place.base_branch,
        handed_over_at=loop.started_at,
        ignore=loop.workflow.overlap.ignore,
    )


def on_paths_claimed(loop: Loop, event: PathsClaimed, policy: ServicePolicy) -> Decision:
    """The claim of planned files starts the maker, or waits; for changed files each overlap is a warning."""
    if event.generation != loop.generation:
        return Decision(loop)
    claims_plan = loop.stage is Stage.WAITING and loop.wait.kind == "files" and not event.sha
    waits = loop.workflow.overlap.files == "wait" and not loop.wait.anyway
    if claims_plan and event.overlaps and waits:
        return _wait_for_files(loop, event)
    warnings = tuple(
        PostComment(body=messages.overlaps_message([one]), once=f"{loop.started_at}/overlap/{one.ticket}")
        for one in event.overlaps
    )
    if not claims_plan:
        return Decision(loop, warnings if loop.stage in AT_WORK | OPEN else ())
    names = [one.identifier for one in loop.waits_for]
    if names and not loop.wait.anyway:
        warnings = (PostComment(body=messages.starts_message(names)), *warnings)
    started = replace(loop, waits_for=(), wait=WaitState(anyway=loop.wait.anyway))
    return start_iteration(started, event.at, policy, *warnings)


def _wait_for_files(loop: Loop, event: PathsClaimed) -> Decision:
    others = tuple(TicketRef(id=one.ticket, identifier=one.identifier) for one in event.overlaps)
    is_known = {one.id for one in others} <= {one.id for one in loop.waits_for}
    loop = replace(loop, wait=replace(loop.wait, overlaps=event.overlaps))
    if is_known:
        return Decision(explain(replace(loop, waits_for=others), event.at), watch(others))
    return wait(loop, others, event.at)


def on_overlap_found(loop: Loop, event: OverlapFound) -> Decision:
    """Another ticket edits files of this one."""
    if loop.stage not in AT_WORK | OPEN:
        return Decision(loop)
    body = messages.edited_too_message(event.overlap, waits=event.waits)
    kind = "waits" if event.waits else "beside"
    return Decision(loop, (PostComment(body=body, once=f"{loop.started_at}/{kind}/{event.overlap.ticket}"),))
