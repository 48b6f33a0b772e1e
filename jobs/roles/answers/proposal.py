"""The planner's structured answer: the schema that the model sees, and the check of its form. Pure.

Called by `jobs.roles.planner` for `submit_proposal`. Whether the commands can be run is found out there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.results import EvidenceKind
from jobs.roles.answers.submission import filled, form_spec

NAME = "submit_proposal"
_FORBID = ConfigDict(extra="forbid", str_strip_whitespace=True)
_CANNOT_FAIL = re.compile(r"(?:^|[;&|]\s*)(?:true|:|exit 0)\s*$|^(?:echo|printf|sleep|pwd)\b[^;&|]*$")
_OPEN_ENDED = re.compile(r"[\n\r`]")


class SubmittedCriterion(BaseModel):
    """One line of the contract: with a command, or with the kind of evidence that shows it."""

    model_config = _FORBID
    text: str = Field(min_length=5, max_length=400, description="what can be observed when it is done, one sentence")
    command: str = Field(
        default="",
        max_length=500,
        description="one shell command, run from the repository's root, that exits 0 exactly when this holds; its "
        "program must exist today, what it tests need not",
    )
    evidence: EvidenceKind | Literal[""] = Field(default="", description="where no command can decide it")

    @model_validator(mode="after")
    def _can_be_shown(self) -> SubmittedCriterion:
        if not self.command and not self.evidence:
            raise ValueError("name a command or a kind of evidence")
        if _OPEN_ENDED.search(self.command):
            raise ValueError("command: write one line without backticks")
        if _CANNOT_FAIL.search(self.command):
            raise ValueError("command: this one ends with 0 whatever was done, so it shows nothing")
        return self


class SubmittedQuestion(BaseModel):
    """What only a person can decide."""

    model_config = _FORBID
    text: str = Field(min_length=5, max_length=300)
    options: list[str] = Field(min_length=2, max_length=4, description="the likely answers, the one you assume first")


class SubmittedProposal(BaseModel):
    """The whole answer."""

    model_config = _FORBID
    summary: str = Field(min_length=1, max_length=300, description="what will be done, in one line")
    criteria: list[SubmittedCriterion] = Field(min_length=1, max_length=5)
    confidence: Literal["high", "medium", "low"] = Field(
        description="high: this is surely what is meant; low: the ticket could mean something else"
    )
    questions: list[SubmittedQuestion] = Field(
        default=[], max_length=3, description="only what changes the criteria and cannot be found in the repository"
    )


def proposal_spec() -> ToolSpec:
    """The tool as the model sees it."""
    words = "Propose the contract: how everybody will know that the ticket is done. This ends your work; call it once."
    return form_spec(NAME, words, SubmittedProposal)


def read_proposal(arguments: Mapping[str, Any]) -> SubmittedProposal | ToolResult:
    """The proposal when its form is right; otherwise what to mend."""
    return filled(SubmittedProposal, arguments)
