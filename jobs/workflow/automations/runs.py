"""Rules about the progress of one run: sources, triage, comparison, filing. The cost of both agents is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from integrations.automation_events import SourcesRead
from integrations.events import CommandFailed, RunFinished, RunParked
from integrations.findings import Found, Match, Matched
from integrations.values import RunId
from jobs.loop.automation import Automation
from jobs.loop.automation_commands import AutomationCommand, FileFinding, NoteFinding
from jobs.loop.automation_state import MOST_FINDINGS, AutomationRun, AutomationState
from jobs.messages.escalations import parked_reason
from jobs.workflow.automations.agents import list_known, start_agent
from jobs.workflow.automations.decision import (
    AutomationDecision,
    count_usage,
    end_run,
    find_automation,
    find_run,
    put_run,
)
from jobs.workflow.automations.findings import Filing, FilingPlan, build_known, find_resembling, plan_filing
from jobs.workflow.automations.slots import explain_budget
from jobs.workflow.decision import ServicePolicy


def on_sources_read(state: AutomationState, event: SourcesRead, policy: ServicePolicy) -> AutomationDecision:
    """Start the triage run; without anything to look at no model is called."""
    run = find_run(state, event.run)
    if run is None or run.stage != "reading":
        return AutomationDecision(state)
    run = replace(
        run,
        started_at=min(run.started_at, event.at),  # a slot that is rehearsed is ahead of its sources
        base_sha=event.base_sha or run.base_sha,
        items=event.items,
        problems=event.problems,
        incomplete=not event.complete,
    )
    automation = find_automation(state, run.automation)
    if automation is None:
        return end_run(state, run, "skipped", event.at, "Its declaration was removed.")
    if not event.items and not event.commands and (automation.sources or event.problems):
        return end_run(state, run, "failed" if event.problems else "nothing", event.at)
    return start_agent(state, replace(run, stage="finding"), automation, event.at, policy)


def on_run_parked(state: AutomationState, event: RunParked) -> AutomationDecision:
    """Show why an agent backs off."""
    run = _find_by_agent(state, event.run_id)
    if run is None:
        return AutomationDecision(state)
    return AutomationDecision(
        put_run(state, replace(run, waits=parked_reason(event.reason, event.until) if event.until else ""))
    )


def on_run_finished(state: AutomationState, event: RunFinished, policy: ServicePolicy) -> AutomationDecision:
    """Count the cost, and continue with the result."""
    state = count_usage(state, event.run_id, event.usage, event.at)
    run = _find_by_agent(state, event.run_id)
    if run is None:
        return AutomationDecision(state)
    run = replace(run, run_id=RunId(""), waits="")
    automation = find_automation(state, run.automation)
    if automation is None:
        return end_run(state, run, "skipped", event.at, "Its declaration was removed.")
    match event.result:
        case Found() if event.outcome == "done":
            return _on_found(state, run, event.result, automation, event.at, policy)
        case Matched() if event.outcome == "done":
            return _file(state, run, automation, event.at, event.result.matches)
        case Matched():
            return _file_certain(state, run, automation, event.at, _explain_outcome(event))
        case _:
            return end_run(state, run, "failed", event.at, _explain_outcome(event))


def on_command_failed(state: AutomationState, event: CommandFailed) -> AutomationDecision:
    """A command cannot be performed: the run ends, except after a failure to file one of several findings, or to note
    or remember one. Where no run is left, the problem is added to its record. The cost of an agent counts even if its
    result cannot be used."""
    state = count_usage(state, event.run, event.usage, event.at)
    if event.command == "ReadDeclarations":
        return AutomationDecision(replace(state, problems=(event.reason,)))
    run = find_run(state, event.run) or _find_by_agent(state, event.run)
    if run is None:
        return AutomationDecision(note_on_record(state, event.run, event.reason))
    if event.command not in {"FileFinding", "NoteFinding", "WriteMemory"}:
        return end_run(state, run, "failed", event.at, event.reason)
    run = replace(run, problems=(*run.problems, event.reason))
    if event.command != "FileFinding":
        return AutomationDecision(put_run(state, run))
    return finish_filing(state, replace(run, incomplete=True), event.fingerprint, event.at)


def finish_filing(state: AutomationState, run: AutomationRun, fingerprint: str, at: float) -> AutomationDecision:
    """The finding is filed or cannot be; the last one ends the run."""
    run = replace(run, pending=tuple(one for one in run.pending if one != fingerprint))
    if run.pending:
        return AutomationDecision(put_run(state, run))
    return end_run(state, run, "filed" if run.filed else "failed", at)


def _find_by_agent(state: AutomationState, run_id: str) -> AutomationRun | None:
    return next((run for run in state.runs.values() if run_id and run.run_id == run_id), None)


def _on_found(
    state: AutomationState, run: AutomationRun, found: Found, automation: Automation, at: float, policy: ServicePolicy
) -> AutomationDecision:
    run = replace(run, found=found.findings, problems=(*run.problems, *found.problems))
    if not run.found:
        return end_run(state, run, "nothing", at)
    if find_resembling(run.found, list_known(state)) and not explain_budget(state, automation, at):
        return start_agent(state, replace(run, stage="matching"), automation, at, policy)
    return _file_certain(state, run, automation, at, "")


def _file_certain(
    state: AutomationState, run: AutomationRun, automation: Automation, at: float, reason: str
) -> AutomationDecision:
    """File without a matcher: of findings that resemble another one only urgent ones, rather twice than not. The next
    run finds the others again."""
    unsure = {pair.fingerprint for pair in find_resembling(run.found, list_known(state))}
    certain = tuple(one for one in run.found if one.fingerprint not in unsure or one.severity == "urgent")
    left = len(run.found) - len(certain)
    if left:
        reason = reason or "The day's budget is used up."
        note = f"{left} findings resemble known ones and were not compared. {reason}"
        run = replace(run, found=certain, dropped=left, incomplete=True, problems=(*run.problems, note))
    return _file(state, run, automation, at, ())


def _file(
    state: AutomationState, run: AutomationRun, automation: Automation, at: float, matches: Sequence[Match]
) -> AutomationDecision:
    """Compare and file; findings that are known are noted on their tickets."""
    known = list_known(state)
    plan = plan_filing(run.found, known, automation.limits, automation.name, state.repository, at, matches)
    run = replace(
        run,
        stage="filing",
        pending=tuple(one.finding.fingerprint for one in plan.filings),
        duplicates=plan.duplicates,
        rejected=len(plan.rejected),
        dropped=run.dropped + len(plan.dropped),
        incomplete=run.incomplete or bool(plan.dropped),
    )
    state = _remember(state, plan, automation, at)
    commands = [*_list_notes(state, plan, run, at), *_list_filings(state, plan, run, automation)]
    if not plan.filings:
        ended = end_run(state, run, "nothing", at)
        return AutomationDecision(ended.state, (*commands, *ended.commands))
    return AutomationDecision(put_run(state, run), commands)


def _remember(state: AutomationState, plan: FilingPlan, automation: Automation, at: float) -> AutomationState:
    """The state with the findings of the plan in place of those with the same fingerprint. Of too many the oldest that
    are done are forgotten."""
    known = {one.fingerprint: one for one in state.findings}
    known |= {note.known.fingerprint: note.known for note in plan.notes}
    known |= {one.finding.fingerprint: build_known(one, automation.name, at) for one in plan.filings}
    closed = sorted((one for one in known.values() if one.status == "done"), key=lambda one: one.last_at)
    for one in closed[: max(len(known) - MOST_FINDINGS, 0)]:
        del known[one.fingerprint]
    return replace(state, findings=tuple(known.values()))


def _list_notes(state: AutomationState, plan: FilingPlan, run: AutomationRun, at: float) -> list[AutomationCommand]:
    return [
        NoteFinding(
            ticket=note.known.ticket,
            seen=note.known.seen,
            run=run.id,
            repository=state.repository,
            fingerprint=note.known.fingerprint,
            automation=run.automation,
            at=at,
            raised=note.raised,
        )
        for note in plan.notes
        if note.known.ticket
    ]


def _list_filings(
    state: AutomationState, plan: FilingPlan, run: AutomationRun, automation: Automation
) -> list[AutomationCommand]:
    def build(one: Filing) -> FileFinding:
        return FileFinding(
            run=run.id,
            repository=state.repository,
            automation=automation,
            finding=one.finding,
            base_sha=run.base_sha,
            related=one.related,
            previous=one.previous,
            returns=one.returns,
            reopened=one.reopened,
        )

    return [build(one) for one in plan.filings]


def _explain_outcome(event: RunFinished) -> str:
    """Why an agent did not report a result."""
    reasons = {
        "budget": "The run's budget is used up.",
        "turns": "The agent used all of its turns without a result.",
        "spinning": "The agent repeated itself without a result.",
        "stopped": "The run was stopped.",
    }
    return reasons.get(event.outcome, "") or event.summary or f"The agent ended without a result ({event.outcome})."


def note_on_record(state: AutomationState, run_id: str, reason: str) -> AutomationState:
    """The state with the reason in the note of an ended run."""

    def add(note: str) -> str:
        return f"{note} {reason}".strip()[:1_000]

    history = tuple(replace(one, note=add(one.note)) if one.id == run_id else one for one in state.history)
    return replace(state, history=history)
