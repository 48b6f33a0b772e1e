"""The scout's slice: a cheaper model looks around and hands the maker a plan. Called by `jobs.advance_run`. It reads
the commit that the maker will start from and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.ports.agent_runner import ToolResult
from integrations.results import Plan
from jobs.roles.answers.plan import plan_spec, read_plan
from jobs.roles.answers.submission import HostTool, Stopped, taken
from jobs.roles.briefs import scout_brief
from jobs.roles.read_only import read_and_answer
from jobs.roles.slice import Ended, Slice


def scout(piece: Slice) -> Ended | None:
    """Some turns of the scout. Without a plan the run ends all the same: the maker starts from zero."""
    outcome = read_and_answer(piece, lambda _: HostTool(plan_spec(), _take), scout_brief(piece.spec))
    if outcome is None or isinstance(outcome, Ended):
        return outcome
    plan = Plan.model_validate(outcome.final) if outcome.final is not None else None
    return Ended(outcome.kind, outcome.summary, piece.spec.start_sha, plan=plan)


def _take(arguments: Mapping[str, Any], stopped: Stopped) -> ToolResult:
    plan = read_plan(arguments)
    return plan if isinstance(plan, ToolResult) else taken(plan)
