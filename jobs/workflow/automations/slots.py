"""Rules about the start of runs: slots of the schedule, and requests of people and events.

Each slot starts at most one run, whose id is made from it. All slots that were missed start one run together. A slot at
or before the last one of its automation is never started again, even if the clock goes back.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from integrations.automation_events import AutomationRequested
from jobs.loop.automation import Automation, Schedule
from jobs.loop.automation_commands import AutomationCommand, ReadSources
from jobs.loop.automation_state import AutomationRun, AutomationState, RunRequest
from jobs.loop.schedule import find_last_slot, find_next_slot, find_start
from jobs.workflow.automations.decision import AutomationDecision, day_of, end_run, find_automation, put_run

FIRST_LOOK_SECONDS = 86_400.0
"""How far back the first run of an automation reads its sources."""
LONGEST_STEP_BACK_SECONDS = 2 * 86_400.0
"""A last slot further in the future is one of a clock that was wrong."""
ALWAYS = Schedule()


def on_automation_requested(state: AutomationState, event: AutomationRequested) -> AutomationDecision:
    """Note the request; several before a run starts are one. A trigger requests all automations that declare it."""
    request = RunRequest(key=event.event_id, by=event.by, trigger=event.trigger)
    wanted = [one for one in state.automations if one.enabled and _is_requested(one, event)]
    new = {one.name: request for one in wanted if one.name not in state.requested}
    return AutomationDecision(replace(state, requested={**state.requested, **new}))


def _is_requested(automation: Automation, event: AutomationRequested) -> bool:
    if not event.trigger:
        return automation.name == event.name
    same_label = event.trigger != "label" or automation.label.lower() == event.label.lower()
    return event.trigger in automation.on and same_label


def explain_refusal(state: AutomationState | None, repository: str, name: str, at: float) -> str:
    """Why a person cannot start this automation at `at`, with the fix; empty if that is possible."""
    if state is None or not state.automations:
        problem = f" {state.problems[0]}" if state and state.problems else ""
        return f"{repository} has no automation: add .loopline/automations/{name}.md to its base branch.{problem}"
    automation = find_automation(state, name)
    if automation is None:
        broken = next((one for one in state.problems if f"{name}.md" in one or f".{name} " in one), "")
        known = ", ".join(one.name for one in state.automations)
        return broken or f"No automation of {repository} is named {name}. There are: {known}."
    if not automation.enabled:
        return f"The automation {name} is turned off: remove `enabled: false` from {automation.origin}."
    problem = explain_budget(state, automation, at)
    return f"The automation {name} cannot start now. {problem}" if problem else ""


def start_due(decision: AutomationDecision, at: float) -> AutomationDecision:
    """Start the runs that are due, one per automation at a time, and note when the next ones can start."""
    state, commands = decision.state, list(decision.commands)
    for automation in state.automations:
        if automation.enabled and automation.name not in state.runs:
            state = _correct_last_slot(state, automation.name, at)
            state, more = _start_if_due(state, automation, at)
            commands += more
    return AutomationDecision(replace(state, next_slots=_list_starts(state, at)), commands)


def _start_if_due(
    state: AutomationState, automation: Automation, at: float
) -> tuple[AutomationState, list[AutomationCommand]]:
    name, schedule = automation.name, automation.schedule or ALWAYS
    request = state.requested.get(name)
    is_open = find_start(schedule, at) <= at
    if request and (request.by or is_open):
        rest = {key: one for key, one in state.requested.items() if key != name}
        state = replace(state, requested=rest)
        key = hashlib.sha256(request.key.encode()).hexdigest()[:12]
        return _start(state, automation, "event" if request.trigger else "manual", key, at, by=request.by)
    slot = find_last_slot(schedule, state.last_slots.get(name, at), at) if is_open else None
    if slot is None:
        return state, []
    state = replace(state, last_slots={**state.last_slots, name: slot})
    key = datetime.fromtimestamp(slot, UTC).strftime("%Y%m%dT%H%MZ")
    return _start(state, automation, "schedule", key, at, slot=slot)


def _correct_last_slot(state: AutomationState, name: str, at: float) -> AutomationState:
    """The state without a last slot in the far future, after which the automation would not run until then."""
    if state.last_slots.get(name, at) <= at + LONGEST_STEP_BACK_SECONDS:
        return state
    return replace(state, last_slots={**state.last_slots, name: at})


def _start(
    state: AutomationState,
    automation: Automation,
    cause: Literal["schedule", "manual", "event"],
    key: str,
    at: float,
    slot: float = 0.0,
    by: str = "",
) -> tuple[AutomationState, list[AutomationCommand]]:
    """The run and its first command; none for a run that was before, and a record alone without budget."""
    name = automation.name
    run_id = f"{state.repository.replace('/', '__')}-{name}-{key}"
    if any(one.id == run_id for one in state.history):
        return state, []
    run = AutomationRun(
        id=run_id, automation=name, cause=cause, slot=slot, by=by, started_at=at, base_sha=state.base_sha
    )
    if reason := explain_budget(state, automation, at):
        return end_run(state, run, "skipped", at, reason).state, []
    command = ReadSources(
        run=run_id,
        repository=state.repository,
        base_branch=state.base_branch,
        automation=automation,
        since=find_since(state, name, at),
        known=tuple(one.ticket for one in state.findings if one.ticket and one.status in {"open", "accepted"}),
    )
    return put_run(state, run), [command]


def find_since(state: AutomationState, name: str, at: float) -> float:
    """From when a run that starts at `at` reads its sources. A reading by a clock that was ahead does not count."""
    last = state.read_at.get(name, at)
    return last if last < at else at - FIRST_LOOK_SECONDS


def explain_budget(state: AutomationState, automation: Automation, at: float) -> str:
    """Why the automation has no money left, one sentence; empty if it has."""
    limits, spent = automation.limits, state.spent.get(automation.name, {}).get(day_of(at), 0.0)
    if limits.run_usd <= 0:
        return "limits.run_usd is 0, so no agent can run."
    if spent >= limits.day_usd:
        return f"The day's budget of ${limits.day_usd:.2f} is used up (${spent:.2f} spent), until midnight UTC."
    return ""


def _list_starts(state: AutomationState, at: float) -> dict[str, float]:
    """When each automation without a run can start next."""
    starts = {}
    for one in state.automations:
        if not one.enabled or one.name in state.runs:
            continue
        schedule = one.schedule or ALWAYS
        anchor = state.last_slots.get(one.name, at)
        waits = one.name in state.requested or find_last_slot(schedule, anchor, at) is not None
        slot = at if waits else find_next_slot(schedule, max(at, anchor))
        if slot is not None:
            starts[one.name] = find_start(schedule, slot)
    return starts
