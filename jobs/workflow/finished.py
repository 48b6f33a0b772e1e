"""The rule for every run that ends: its bill counts, and if the loop still waits for it, so does its result."""

from __future__ import annotations

from integrations.events import RunFinished
from jobs.loop.state import Loop
from jobs.workflow.agreeing import on_planner_finished
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.goal import on_goal_run_finished
from jobs.workflow.run import is_current


def on_run_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    """A run that is no longer the current one only leaves its bill."""
    loop = loop.model_copy(update={"usage": loop.usage.plus(event.usage)})
    if not is_current(loop, event.run_id, event.generation):
        return Decision(loop)
    if event.role == "planner":
        return on_planner_finished(loop, event, policy)
    return on_goal_run_finished(loop, event, policy)
