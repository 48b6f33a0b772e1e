"""The scout's slice: a cheaper model looks around and hands the maker a plan. Called by `jobs.advance_run`. It reads
the commit that the maker will start from and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.ports.agent_runner import ToolResult
from integrations.results import Plan, Scouted
from jobs.roles.answers.plan import plan_spec, read_plan
from jobs.roles.answers.submission import HostTool, Stopped, taken
from jobs.roles.briefs import scout_brief
from jobs.roles.read_only import read_and_answer
from jobs.roles.slice import RunResult, Slice


def run_scout(run: Slice) -> RunResult | None:
    """Some turns of the scout. Without a plan the run ends all the same: the maker starts from zero."""
    outcome = read_and_answer(run, lambda _: HostTool(plan_spec(), _take), scout_brief(run.spec))
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    plan = Plan(**outcome.final) if outcome.final is not None else None
    return RunResult(outcome.kind, outcome.summary, Scouted(plan=plan))


def _take(arguments: Mapping[str, Any], stopped: Stopped) -> ToolResult:
    plan = read_plan(arguments)
    return plan if isinstance(plan, ToolResult) else taken(plan.model_dump(mode="json"))
