"""The checker's structured answer: the schema that the model sees, and the check of what it sends. Pure.

Called by `tools` for `submit_verdict`. What is wrong goes back to the model with the names of the fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from integrations.base import ToolResult, ToolSpec

NAME = "submit_verdict"


class Result(BaseModel):
    """One criterion."""

    model_config = ConfigDict(extra="forbid")
    criterion: str = Field(description="the criterion's id, as in the contract")
    result: Literal["pass", "fail", "unsure"]
    evidence: str = Field(min_length=1, description="the command and exit code, or file and line, that it rests on")


class SubmittedVerdict(BaseModel):
    """The whole answer."""

    model_config = ConfigDict(extra="forbid")
    results: list[Result] = Field(description="exactly one for each criterion of the contract")
    summary: str = Field(min_length=1, description="one or two sentences")
    findings: list[str] = Field(default=[], description="what is wrong or doubtful, each with file and line")
    not_checked: list[str] = Field(default=[], description="what nobody looked at")


def verdict_spec() -> ToolSpec:
    """The tool as the model sees it."""
    wire = {
        "name": NAME,
        "description": "Give your verdict on every criterion of the contract. This ends your work; call it once.",
        "input_schema": SubmittedVerdict.model_json_schema(),
    }
    return ToolSpec(NAME, wire)


def judge(arguments: Mapping[str, Any], criteria: Sequence[str]) -> ToolResult:
    """The final result, or what the model has to mend."""
    try:
        verdict = SubmittedVerdict.model_validate(dict(arguments))
    except ValidationError as error:
        return ToolResult(_sentences(error), is_error=True)
    if wrong := _wrong_names([result.criterion for result in verdict.results], criteria):
        return ToolResult(f"{wrong} Send the whole verdict again.", is_error=True)
    return ToolResult("The verdict is taken.", final=verdict.model_dump())


def _sentences(error: ValidationError) -> str:
    problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
    return "The verdict is not valid. " + "; ".join(problems) + ". Send the whole verdict again."


def _wrong_names(given: Sequence[str], wanted: Sequence[str]) -> str:
    problems = {
        "These criteria have no result": [name for name in wanted if name not in given],
        "These are not in the contract": [name for name in given if name not in wanted],
        "These have more than one result": sorted({name for name in given if given.count(name) > 1}),
    }
    return " ".join(f"{problem}: {', '.join(names)}." for problem, names in problems.items() if names)
