"""The planner's slice: judges whether the ticket's own list can be checked, and proposes criteria if it cannot or if
there is none. Called by `jobs.advance_run`. Reads the base commit and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.results import PROPOSAL, EvidenceKind, Planned, Proposal, ProposedCriterion, Question
from integrations.sandbox.session import Session
from jobs.contract.agreement import read_ticket_criteria
from jobs.contract.criteria import MAX_CRITERIA
from jobs.contract.may_change import MOST_CHARACTERS, MOST_PATTERNS, clean_patterns, is_pattern
from jobs.evidence.named_paths import find_named_paths
from jobs.roles.briefs import build_planner_brief
from jobs.roles.limits import get_command_seconds
from jobs.roles.reading import read_and_answer
from jobs.roles.slice import RunResult, Slice
from jobs.roles.submission import STRICT, HostTool, IsStopped, accept_answer, parse_form, reject_answer

TRY_SECONDS = 30.0
NOT_EXECUTABLE, NOT_FOUND = 126, 127
_CANNOT_FAIL = re.compile(r"(?:^|[;&|]\s*)(?:true|:|exit 0)\s*$|^(?:echo|printf|sleep|pwd)\b[^;&|]*$")
_OPEN_ENDED = re.compile(r"[\n\r`]")


class SubmittedCriterion(BaseModel):
    """One line of the contract: with a command, or with the kind of evidence that shows it."""

    model_config = STRICT
    text: str = Field(min_length=5, max_length=400, description="what can be observed when it is done, one sentence")
    command: str = Field(
        default="",
        max_length=500,
        description="one shell command, run from the repository's root, that exits 0 exactly when this holds; its "
        "program must exist today, what it tests need not",
    )
    evidence: EvidenceKind | Literal[""] = Field(default="", description="where no command can decide it")

    @model_validator(mode="after")
    def _check_is_verifiable(self) -> SubmittedCriterion:
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

    model_config = STRICT
    text: str = Field(min_length=5, max_length=300)
    options: list[str] = Field(min_length=2, max_length=4, description="the likely answers, the one you assume first")


class SubmittedProposal(BaseModel):
    """The whole answer."""

    model_config = STRICT
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
    may_change: list[Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]] = Field(
        default=[],
        max_length=MOST_PATTERNS,
        description="paths, or folders with /**, of existing tests, snapshots, CI and configuration files whose change "
        "the ticket asks for; empty for most tickets",
    )
    questions: list[SubmittedQuestion] = Field(
        default=[], max_length=3, description="only what changes the criteria and cannot be found in the repository"
    )


PROPOSAL_TOOL = ToolSpec(
    "submit_proposal",
    "Propose or confirm the acceptance criteria of the ticket. This ends your work; call it once.",
    SubmittedProposal.model_json_schema(),
)


def run_planner(run: Slice) -> RunResult | None:
    """Some turns of the planner. A run without a usable proposal still ends, and a person is asked."""
    own = read_ticket_criteria(run.spec.ticket.description).criteria

    def create_tool(session: Session) -> HostTool:
        return HostTool(PROPOSAL_TOOL, lambda given, stopped: _accept_proposal(run, session, own, given, stopped))

    outcome = read_and_answer(run, create_tool, build_planner_brief(run.spec))
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    proposal = PROPOSAL.from_builtins(outcome.final) if outcome.final is not None else None
    return RunResult(outcome.kind, outcome.summary, Planned(proposal=proposal))


def _accept_proposal(
    run: Slice,
    session: Session,
    own: Sequence[ProposedCriterion],
    arguments: Mapping[str, Any],
    stopped: IsStopped,
) -> ToolResult:
    answer = read_proposal(arguments, len(own))
    if isinstance(answer, ToolResult):
        return answer
    commands = [c.command for c in (*answer.criteria, *answer.unclear) if c.command]
    if wrong := "; ".join(find_unstartable(run, session, commands, stopped)):
        return reject_answer(f"These commands cannot be started here: {wrong}.")
    proposal, ticket = build_proposal(answer, own), run.spec.ticket
    if own:  # the ticket's list can be confirmed without a question if it names these paths
        named = find_named_paths(f"{ticket.title}\n{ticket.description}", proposal.may_change)
        proposal = replace(proposal, may_change=tuple(one for one in proposal.may_change if one not in named))
    return accept_answer(PROPOSAL.to_builtins(proposal))


def read_proposal(arguments: Mapping[str, Any], own: int = 0) -> SubmittedProposal | ToolResult:
    """The proposal if it is valid for a ticket with `own` criteria; otherwise the error for the model."""
    answer = parse_form(SubmittedProposal, arguments)
    if isinstance(answer, ToolResult):
        return answer
    if not answer.criteria and not own:
        return reject_answer("criteria: the ticket has no list of its own, so propose at least one.")
    if answer.criteria and answer.unclear:
        return reject_answer("Send a whole list as criteria, or the unclear items of the ticket's own list, not both.")
    if wrong := [one for one in answer.may_change if not is_pattern(one) or one[0] == "*"]:
        return reject_answer(f"may_change: {', '.join(wrong)}: name paths, or folders with /** at the end.")
    if missing := [str(item.item) for item in answer.unclear if item.item > own]:
        return reject_answer(f"unclear: the ticket's own list has no item {', '.join(missing)}.")
    return answer


def build_proposal(answer: SubmittedProposal, own: Sequence[ProposedCriterion]) -> Proposal:
    """The proposed list: the answer's, or the ticket's own with the unclear items replaced."""
    chosen = dict(enumerate(own, 1)) | {item.item: _convert(item) for item in answer.unclear}
    return Proposal(
        criteria=tuple(map(_convert, answer.criteria) if answer.criteria else chosen.values()),
        confidence=answer.confidence,
        questions=tuple(Question(text=q.text, options=tuple(q.options)) for q in answer.questions),
        summary=answer.summary,
        may_change=clean_patterns(answer.may_change),
    )


def _convert(given: SubmittedCriterion) -> ProposedCriterion:
    return ProposedCriterion(text=given.text, command=given.command, evidence=given.evidence)


def find_unstartable(run: Slice, session: Session, commands: Iterable[str], stopped: IsStopped) -> list[str]:
    """Start each command once at the base commit. Only one that the shell cannot find or start is wrong: the work is
    still to be done, so the exit code does not matter, and neither does a timeout."""
    timeout = min(TRY_SECONDS, get_command_seconds(run.spec.policy, run.world.settings))
    wrong = []
    for command in commands:
        ran = session.run(["bash", "-c", command], timeout=timeout, stopped=stopped)
        if ran.exit_code in {NOT_EXECUTABLE, NOT_FOUND}:
            output = " ".join(ran.output.decode(errors="replace").split())[-200:]
            wrong.append(f"`{command}` ended with {ran.exit_code} ({output})")
    return wrong
