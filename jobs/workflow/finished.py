"""The rule for every run that ends: its cost counts, and if the loop still waits for it, so does its result."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from integrations.events import RunFinished
from integrations.results import Checked, Gated, Judged, Made, Planned, Scouted
from jobs.loop.state import Loop
from jobs.workflow.agreeing import on_planner_finished
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.goal import (
    on_budget_used_up,
    on_checker_finished,
    on_gate_finished,
    on_judge_finished,
    on_maker_finished,
    on_scout_finished,
)
from jobs.workflow.run import is_current


def on_run_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    """Count the cost; the result counts only while the loop waits for this run."""
    loop = replace(loop, spend=replace(loop.spend, usage=loop.spend.usage.plus(event.usage)))
    if not is_current(loop, event.run_id, event.generation):
        return Decision(loop)
    if event.outcome == "budget" and event.role != "planner":
        return on_budget_used_up(loop, event)
    match event.result:
        case Planned() as result:
            return on_planner_finished(loop, result, event.at, policy)
        case Scouted() as result:
            return on_scout_finished(loop, result, event.at, policy)
        case Made() as result:
            return on_maker_finished(loop, event, result, policy)
        case Gated() as result:
            return on_gate_finished(loop, event, result, policy)
        case Judged() as result:
            return on_judge_finished(loop, event, result, policy)
        case Checked() as result:
            return on_checker_finished(loop, event, result, policy)
        case _:
            assert_never(event.result)
