"""The scout's structured answer: the schema that the model sees, and the check of its form. Pure.

Called by `jobs.roles.scout` for `submit_plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from integrations.ports.agent_runner import ToolResult, ToolSpec
from jobs.roles.answers.submission import filled, form_spec

NAME = "submit_plan"
Line = Annotated[str, Field(min_length=1, max_length=400)]


class SubmittedPlan(BaseModel):
    """The whole answer; it is small, because it is the first thing that the maker reads."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    summary: str = Field(min_length=1, max_length=1200, description="what there is and where the change belongs")
    steps: list[Line] = Field(min_length=1, max_length=10, description="in order, each with the file it is about")
    paths: list[Line] = Field(
        default=[], max_length=30, description="files that will probably be changed or added, from the root"
    )
    commands: list[Line] = Field(default=[], max_length=10, description="commands that you tried and that matter")


def plan_spec() -> ToolSpec:
    """The tool as the model sees it."""
    words = "Hand over what you found to the one who will make the change. This ends your work; call it once."
    return form_spec(NAME, words, SubmittedPlan)


def read_plan(arguments: Mapping[str, Any]) -> SubmittedPlan | ToolResult:
    """The plan when its form is right; otherwise what to mend."""
    return filled(SubmittedPlan, arguments)
