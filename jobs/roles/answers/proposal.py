"""The planner's structured answer: the schema that the model sees, and the check of its form. Pure.

Called by `jobs.roles.planner` for `submit_proposal`. Whether the commands can be run is found out there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.results import EvidenceKind, Proposal, ProposedCriterion, Question
from jobs.contract.criteria import MAX_CRITERIA
from jobs.roles.answers.submission import back, filled, form_spec

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


class SubmittedItem(SubmittedCriterion):
    """A criterion in place of an item of the ticket's own list."""

    item: int = Field(ge=1, le=MAX_CRITERIA, description="the number of the item in the ticket's own list")


class SubmittedQuestion(BaseModel):
    """What only a person can decide."""

    model_config = _FORBID
    text: str = Field(min_length=5, max_length=300)
    options: list[str] = Field(min_length=2, max_length=4, description="the likely answers, the one you assume first")


class SubmittedProposal(BaseModel):
    """The whole answer."""

    model_config = _FORBID
    summary: str = Field(min_length=1, max_length=300, description="what will be done, in one line")
    criteria: list[SubmittedCriterion] = Field(
        default=[], max_length=5, description="the whole list; empty to keep the ticket's own"
    )
    unclear: list[SubmittedItem] = Field(
        default=[],
        max_length=MAX_CRITERIA,
        description="items of the ticket's own list that cannot be checked, each with the criterion in its place; with "
        "neither these nor criteria the ticket's list is confirmed",
    )
    confidence: Literal["high", "medium", "low"] = Field(
        description="high: this is surely what is meant; low: the ticket could mean something else"
    )
    questions: list[SubmittedQuestion] = Field(
        default=[], max_length=3, description="only what changes the criteria and cannot be found in the repository"
    )


def proposal_spec() -> ToolSpec:
    """The tool as the model sees it."""
    words = "Propose or confirm the acceptance criteria of the ticket. This ends your work; call it once."
    return form_spec(NAME, words, SubmittedProposal)


def read_proposal(arguments: Mapping[str, Any], own: int = 0) -> SubmittedProposal | ToolResult:
    """The proposal when its form fits a ticket with `own` criteria; otherwise the problem, for the model."""
    answer = filled(SubmittedProposal, arguments)
    if isinstance(answer, ToolResult):
        return answer
    if not answer.criteria and not own:
        return back("criteria: the ticket has no list of its own, so propose at least one.")
    if answer.criteria and answer.unclear:
        return back("Send a whole list as criteria, or the unclear items of the ticket's own list, not both.")
    if missing := [str(item.item) for item in answer.unclear if item.item > own]:
        return back(f"unclear: the ticket's own list has no item {', '.join(missing)}.")
    return answer


def proposal_of(answer: SubmittedProposal, own: Sequence[ProposedCriterion]) -> Proposal:
    """The proposed list: the answer's, or the ticket's own with the unclear items replaced."""
    chosen = dict(enumerate(own, 1))
    chosen |= {item.item: _criterion(item) for item in answer.unclear}
    return Proposal(
        criteria=tuple(map(_criterion, answer.criteria) if answer.criteria else chosen.values()),
        confidence=answer.confidence,
        questions=tuple(Question(text=q.text, options=tuple(q.options)) for q in answer.questions),
        summary=answer.summary,
    )


def _criterion(given: SubmittedCriterion) -> ProposedCriterion:
    return ProposedCriterion(text=given.text, command=given.command, evidence=given.evidence)
