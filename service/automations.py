"""Commands for automations: list, run, advance, history. Called by the command line.

They can run while Loopline is running. Each writes one line per automation or run, and returns the exit code.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import TextIO

from redis import Redis

from integrations.automation_events import ScheduleAdvanced
from jobs.loop.automation import Automation
from jobs.loop.automation_state import AutomationState, RunRecord
from jobs.runtime import queues
from jobs.runtime.audit import AuditJournal
from jobs.store.automations import AutomationStore
from jobs.workflow.automations.slots import explain_refusal
from service.switch import find_operator

MOST_ADVANCE_SECONDS = 2 * 86_400.0
"""A last slot further in the future counts as one of a clock that was wrong."""


def list_automations(redis: Redis, out: TextIO, repository: str = "") -> int:
    """Print the automations of all repositories, or of one, with their next start, and the declarations that cannot be
    used; returns 1 if there are any of these."""
    states = _choose(redis, repository)
    for state in states:
        out.writelines(f"{format_automation(state, one)}\n" for one in state.automations)
        out.writelines(f"{_format_line(problem)}\n" for problem in state.problems)
    out.write(f"{sum(len(state.automations) for state in states)} automations.\n")
    return 1 if any(state.problems for state in states) else 0


def format_automation(state: AutomationState, automation: Automation) -> str:
    """Format repository, name, state and the time of the next start."""
    name = automation.name
    run, record = state.runs.get(name), find_last_record(state, name)
    if not automation.enabled:
        now = "off"
    elif run:
        now = _format_line(f"{run.stage} since {format_time(run.started_at)} {run.waits}".strip())
    elif name in state.next_slots:
        now = f"next {format_time(state.next_slots[name])}"
    else:
        now = f"on {', '.join(automation.on)}" if automation.on else "on request"
    last = f"last {record.outcome}" if record else "never run"
    return f"{state.repository:<24} {name:<24} {now:<34} {last}"


def show_history(redis: Redis, out: TextIO, repository: str = "", name: str = "") -> int:
    """Print the ended runs, the oldest first."""
    found = [
        (record.started_at, state.repository, record)
        for state in _choose(redis, repository)
        for record in state.history
        if name in ("", record.automation)
    ]
    found.sort(key=lambda entry: entry[:2])
    out.writelines(f"{format_record(place, record)}\n" for _, place, record in found)
    out.write(f"{len(found)} runs, ${sum(record.cost_usd for *_, record in found):.4f}.\n")
    return 0


def format_record(repository: str, record: RunRecord) -> str:
    """Format time, repository, name, cause, outcome, numbers, cost and note as one line."""
    numbers = ", ".join(
        f"{count} {label}"
        for label, count in (
            ("found", record.found),
            ("duplicates", record.duplicates),
            ("filed", record.filed),
            ("rejected before", record.rejected),
            ("over the limits", record.dropped),
        )
        if count
    )
    head = f"{format_time(record.started_at)}  {repository} {record.automation}  {record.cause}  {record.outcome}"
    return _format_line(f"{head}  ${record.cost_usd:.4f}  {numbers}  {record.note}")


def request_run(redis: Redis, out: TextIO, repository: str, name: str, audit: AuditJournal) -> int:
    """Request a run of the automation; returns 1 with the reason if that is not possible."""
    store, operator = AutomationStore(redis), find_operator()
    state = store.find(repository)
    refusal = explain_refusal(state, repository, name, time.time())
    if refusal or state is None:
        out.write(f"{_format_line(refusal)}\n")
        return 1
    audit.record(kind="automation requested", ticket=state.repository, item=name, actor=operator)
    store.request(state.id, name, operator, str(uuid.uuid4()), time.time())
    out.write(f"The automation {name} of {state.repository} was requested; `loopline automations history` lists it.\n")
    return 0


def advance(redis: Redis, out: TextIO, until: str, now: float) -> int:
    """Start the runs of every slot until that time (ISO 8601), as if it were that time now; returns 1 with the reason
    for a time that cannot be used."""
    try:
        at = datetime.fromisoformat(until).timestamp()
    except ValueError:
        out.write(f"{_format_line(until)[:80]} is no time: write it as 2026-11-28T07:00+01:00.\n")
        return 1
    if not now < at <= now + MOST_ADVANCE_SECONDS:
        days = int(MOST_ADVANCE_SECONDS / 86_400)
        out.write(f"{until} is not within the next {days} days.\n")
        return 1
    store, started = AutomationStore(redis), 0
    for state in store.states():
        if 0 < state.due_at <= at:
            started += store.deliver(ScheduleAdvanced(event_id=f"advance:{at}", ticket_id=state.id, until=at))
            queues.wake_ticket(redis, state.id)
    out.write(f"Advanced the automations of {started} repositories to {format_time(at)}.\n")
    return 0


def find_last_record(state: AutomationState, name: str) -> RunRecord | None:
    """The newest ended run of the automation."""
    return next((one for one in reversed(state.history) if one.automation == name), None)


def format_time(at: float) -> str:
    """Format Unix seconds in UTC, as 2026-11-27 08:00Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ")


def _choose(redis: Redis, repository: str) -> list[AutomationState]:
    states = AutomationStore(redis).states()
    return [state for state in states if state.repository.lower() == repository.lower() or not repository]


def _format_line(text: str) -> str:
    """One line without control characters, which could move the cursor."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:1_000]
