"""The checker's structured answer: the schema that the model sees, and the check of its form. Pure.

Called by `jobs.checking` for `submit_verdict`. Whether the evidence that it names exists is checked there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from integrations.agents.submission import back, filled, form_spec
from integrations.base import ToolResult, ToolSpec

NAME = "submit_verdict"
_FORBID = ConfigDict(extra="forbid")


class Reference(BaseModel):
    """Where the evidence is."""

    model_config = _FORBID
    source: Literal["gate", "command", "file"] = Field(
        description="gate: what Loopline ran; command: what you ran with bash in this run; file: a file of the commit"
    )
    name: str = Field(
        min_length=1,
        max_length=1000,
        description="gate: the id in brackets in the list of evidence; command: the command exactly as you ran it; "
        "file: the path from the repository's root",
    )
    line: int = Field(default=0, ge=0, description="of a file, 0 for all of it")
    shows: str = Field(default="", max_length=500, description="what can be seen there")


class Result(BaseModel):
    """One criterion."""

    model_config = _FORBID
    criterion: str = Field(description="the criterion's id, as in the contract")
    result: Literal["pass", "fail", "unsure"]
    evidence: list[Reference] = Field(
        default=[], max_length=10, description="what the result rests on; a pass or a fail needs at least one"
    )
    reason: str = Field(default="", max_length=1000, description="one sentence")


class SubmittedFinding(BaseModel):
    """Something wrong or doubtful."""

    model_config = _FORBID
    text: str = Field(min_length=1, max_length=1000)
    severity: Literal["blocker", "major", "minor"] = Field(
        description="blocker: this must not be merged; major: somebody should decide; minor: worth knowing"
    )
    path: str = Field(default="", max_length=500, description="empty where there is no one place")
    line: int = Field(default=0, ge=0)


class SubmittedVerdict(BaseModel):
    """The whole answer."""

    model_config = _FORBID
    results: list[Result] = Field(description="exactly one for each criterion of the contract")
    summary: str = Field(min_length=1, max_length=2000, description="one or two sentences")
    findings: list[SubmittedFinding] = Field(default=[], max_length=30)
    not_checked: list[str] = Field(default=[], max_length=30, description="what nobody looked at")
    confidence: Literal["high", "medium", "low"] = Field(description="how sure you are of the whole verdict")
    no_change_needed: bool = Field(
        default=False, description="true only when the diff is empty and the commit meets the contract as it is"
    )


def verdict_spec() -> ToolSpec:
    """The tool as the model sees it."""
    words = "Give your verdict on every criterion of the contract. This ends your work; call it once."
    return form_spec(NAME, words, SubmittedVerdict)


def read_verdict(arguments: Mapping[str, Any], criteria: Sequence[str]) -> SubmittedVerdict | ToolResult:
    """The verdict when its form is right and it answers each of `criteria` once; otherwise what to mend."""
    verdict = filled(SubmittedVerdict, arguments)
    if isinstance(verdict, ToolResult):
        return verdict
    given = [result.criterion for result in verdict.results]
    bare = [r.criterion for r in verdict.results if r.result != "unsure" and not r.evidence]
    problems = {
        "These criteria have no result": [name for name in criteria if name not in given],
        "These are not in the contract": [name for name in given if name not in criteria],
        "These have more than one result": sorted({name for name in given if given.count(name) > 1}),
        "These need evidence": bare,
    }
    wrong = " ".join(f"{problem}: {', '.join(names)}." for problem, names in problems.items() if names)
    return back(wrong) if wrong else verdict
