"""The checker's structured answer as `submit_verdict` takes it: results, references, findings. Values only."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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
