"""The decision that a rule of automations returns, and what all of these rules share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from integrations.results import RunRole
from integrations.values import RunId, Usage
from jobs.loop.automation import Automation
from jobs.loop.automation_commands import AutomationCommand, WriteMemory
from jobs.loop.automation_state import AutomationRun, AutomationState, RunRecord

HISTORY, DAYS = 200, 32
"""Records and days of spending that are kept."""
FAILURES_REPORTED = 3
"""Failed runs in a row after which an automation counts as failing."""


@dataclass(frozen=True)
class AutomationDecision:
    """The new state, and the commands in the order in which they are performed."""

    state: AutomationState
    commands: Sequence[AutomationCommand] = field(default_factory=tuple)


def find_automation(state: AutomationState, name: str) -> Automation | None:
    """The automation of this name."""
    return next((one for one in state.automations if one.name == name), None)


def put_run(state: AutomationState, run: AutomationRun) -> AutomationState:
    """The state with this run of its automation."""
    return replace(state, runs={**state.runs, run.automation: run})


def find_run(state: AutomationState, run_id: str) -> AutomationRun | None:
    """The run of this id that has not ended."""
    return next((run for run in state.runs.values() if run_id and run.id == run_id), None)


def day_of(at: float) -> str:
    """The calendar day in UTC, as that of the ledger."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def add_cost(state: AutomationState, name: str, usd: float, at: float) -> AutomationState:
    """The state with this cost of the day, whose unit is exact millionths of a US dollar."""
    own = dict(state.spent.get(name, {}))
    own[day_of(at)] = round(own.get(day_of(at), 0.0) + usd, 6)
    kept = dict(sorted(own.items())[-DAYS:])
    return replace(state, spent={**state.spent, name: kept})


def count_usage(state: AutomationState, agent: str, usage: Usage, at: float) -> AutomationState:
    """The state with the cost of this agent run in the day's spending and in its run or record; each one counts once,
    also if its result arrives again as a dead letter, or after the end of its run."""
    for run in state.runs.values():
        if agent in list_agents(run.id) and agent not in run.counted:
            run = replace(run, usage=run.usage.plus(usage), counted=(*run.counted, agent))
            return add_cost(put_run(state, run), run.automation, usage.cost_usd, at)
    for record in state.history:
        if agent in list_agents(record.id) and agent not in record.counted:
            cost = round(record.cost_usd + usage.cost_usd, 6)
            paid = replace(record, cost_usd=cost, counted=(*record.counted, agent))
            state = replace(state, history=tuple(paid if one is record else one for one in state.history))
            return add_cost(state, record.automation, usage.cost_usd, at)
    return state


def name_agent(run_id: str, role: RunRole) -> RunId:
    """The agent run of this role in an automation's run."""
    return RunId(f"{run_id}-{role}")


def list_agents(run_id: str) -> tuple[RunId, ...]:
    """All agent runs that an automation's run can have."""
    return name_agent(run_id, "triage"), name_agent(run_id, "matcher")


def end_run(
    state: AutomationState,
    run: AutomationRun,
    outcome: Literal["filed", "nothing", "failed", "skipped"],
    at: float,
    note: str = "",
) -> AutomationDecision:
    """Remove the run and add its record. The next run reads its sources since the last one that ended well; a run that
    changed the findings is written to the memory."""
    name = run.automation
    record = RunRecord(
        id=run.id,
        automation=name,
        cause=run.cause,
        started_at=run.started_at,
        ended_at=at,
        outcome=outcome,
        found=len(run.found),
        duplicates=run.duplicates,
        filed=run.filed,
        rejected=run.rejected,
        dropped=run.dropped,
        cost_usd=run.usage.cost_usd,
        counted=run.counted,
        note=" ".join(filter(None, (note, *run.problems)))[:1_000],
    )
    ended = outcome in ("filed", "nothing")
    failing = state.failing.get(name, 0) + 1 if outcome == "failed" else 0
    state = replace(
        state,
        runs={key: one for key, one in state.runs.items() if key != name},
        history=(*state.history, record)[-HISTORY:],
        read_at={**state.read_at, name: run.started_at} if ended and not run.incomplete else state.read_at,
        failing=state.failing if outcome == "skipped" else {**state.failing, name: failing},
    )
    changed = run.filed or run.duplicates
    return AutomationDecision(state, (WriteMemory(run=run.id),) if changed else ())
