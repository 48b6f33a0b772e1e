"""The scout's slice: a cheaper model explores the repository and writes a plan for the maker. Called by
`jobs.advance_run`. Reads the commit that the maker starts from and changes nothing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from integrations.ports.agent_runner import ToolSpec
from integrations.results import Plan, Scouted
from jobs.roles.briefs import build_scout_brief
from jobs.roles.reading import read_and_answer
from jobs.roles.slice import RunResult, Slice
from jobs.roles.submission import STRICT, HostTool, accept_form

Line = Annotated[str, Field(min_length=1, max_length=400)]


class SubmittedPlan(BaseModel):
    """The whole answer; it is small, because it is the first thing that the maker reads."""

    model_config = STRICT
    summary: str = Field(min_length=1, max_length=1200, description="what there is and where the change belongs")
    steps: list[Line] = Field(min_length=1, max_length=10, description="in order, each with the file it is about")
    paths: list[Line] = Field(
        default=[], max_length=30, description="files that will probably be changed or added, from the root"
    )
    commands: list[Line] = Field(default=[], max_length=10, description="commands that you tried and that matter")


PLAN_TOOL = ToolSpec(
    "submit_plan",
    "Hand over what you found to the one who will make the change. This ends your work; call it once.",
    SubmittedPlan.model_json_schema(),
)


def run_scout(run: Slice) -> RunResult | None:
    """Some turns of the scout. A run without a plan still ends: the maker starts from the ticket alone."""
    tool = HostTool(PLAN_TOOL, lambda given, _: accept_form(SubmittedPlan, given))
    outcome = read_and_answer(run, lambda *_: tool, build_scout_brief(run.spec))
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    plan = Plan(**outcome.final) if outcome.final is not None else None
    return RunResult(outcome.kind, outcome.summary, Scouted(plan=plan))
