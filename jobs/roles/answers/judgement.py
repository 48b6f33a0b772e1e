"""The judge's structured answer: the schema that the model sees, and the check of its form. Pure.

Called by `jobs.roles.judge` for `submit_judgement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from integrations.ports.agent_runner import ToolResult, ToolSpec
from jobs.roles.answers.submission import filled, form_spec

NAME = "submit_judgement"


class SubmittedJudgement(BaseModel):
    """The whole answer."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    done: bool = Field(description="true only if nothing is missing")
    missing: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        default=[], max_length=20, description="one line for each criterion that is not shown to hold: its id, and what"
    )
    reason: str = Field(min_length=1, max_length=600, description="one sentence")


def judgement_spec() -> ToolSpec:
    """The tool as the model sees it."""
    return form_spec(NAME, "Say whether the candidate meets the contract. Call it once.", SubmittedJudgement)


def read_judgement(arguments: Mapping[str, Any]) -> SubmittedJudgement | ToolResult:
    """The judgement when its form is right; otherwise what to mend."""
    return filled(SubmittedJudgement, arguments)
