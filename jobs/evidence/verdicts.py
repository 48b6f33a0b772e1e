"""Validates a checker's answer: whether its references to evidence exist, and whether it contradicts itself. Pure.

Called by `jobs.roles.checker` and `jobs.workflow`. In doubt a criterion is not met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from integrations.agents.entries import INTERRUPTED
from integrations.ports.agent_runner import Entry
from integrations.results import CriterionResult, Evidence, FileNote, Finding, ReviewNotes, Verdict
from integrations.texts import cut
from integrations.values import CommitSha
from jobs.loop.state import Contract

_FORBID = ConfigDict(extra="forbid")
_RUNNING_TOOLS = ("bash", "run_own_test")
_ENDING = re.compile(r"\[exit (-?\d+)\]\s*$")
_SEPARATORS = re.compile(r"\s*(?:&&|\|\||;|\||\n)\s*")
NO_NEW_COMMIT = (
    "no new commit since the request, and neither a file and line nor the output of a command shows that it held before"
)
_LINE = re.compile(r":(\d+)(?:-\d+)?$")
_MOST_NOTES, _NOTE_CHARACTERS = 5, 400


class Reference(BaseModel):
    """Where the evidence is."""

    model_config = _FORBID
    source: Literal["gate", "command", "file"] = Field(
        description="gate: what Loopline ran; command: what you ran in this run, with bash or run_own_test; file: a "
        "file of the commit"
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
        description="blocker: this must not be merged; major: a person should decide; minor: worth knowing"
    )
    path: str = Field(default="", max_length=500, description="empty where there is no one place")
    line: int = Field(default=0, ge=0)


class SubmittedExample(BaseModel):
    """A test of the checker that shows that a criterion is not met."""

    model_config = _FORBID
    own_test: int = Field(ge=1, description="the number in the answer of run_own_test")
    criterion: str = Field(description="the criterion's id, as in the contract")
    shows: str = Field(
        min_length=1, max_length=500, description="one clause, as: fails for 7 passengers, passes only for the tested 3"
    )


class FirstFile(BaseModel):
    """A file that a reviewer should read first."""

    model_config = _FORBID
    path: str
    why: str = Field(default="", description="one clause")


class SubmittedNotes(BaseModel):
    """Notes for the person who reviews the change. They are shortened rather than rejected."""

    model_config = _FORBID
    what: str = Field(default="", description="what changed and why, one to three sentences in plain language")
    risk: str = Field(default="", description="what could break, one or two sentences")
    steps: list[str] = Field(default=[], description="how a person can try it: one command or step each, at most five")
    first: list[FirstFile] = Field(default=[], description="the changed files to read first, at most five")


class SubmittedVerdict(BaseModel):
    """The whole answer."""

    model_config = _FORBID
    results: list[Result] = Field(description="exactly one for each criterion of the contract")
    summary: str = Field(min_length=1, max_length=2000, description="one or two sentences")
    findings: list[SubmittedFinding] = Field(default=[], max_length=30)
    not_checked: list[str] = Field(default=[], max_length=30, description="parts that were not checked")
    confidence: Literal["high", "medium", "low"] = Field(description="how sure you are of the whole verdict")
    no_change_needed: bool = Field(
        default=False, description="true only when the diff is empty and the commit meets the contract as it is"
    )
    counter_examples: list[SubmittedExample] = Field(
        default=[],
        max_length=5,
        description="own tests that fail although the contract asks that they pass; Loopline repeats them",
    )
    notes: SubmittedNotes = Field(default=SubmittedNotes(), description="for the reviewer of the pull request")


@dataclass(frozen=True)
class KnownEvidence:
    """Existing evidence: Loopline's by name, the ending of each command of the checker, the number of lines of a file
    (None: not in the candidate and not removed by it), and the changed paths."""

    gate: Mapping[str, Evidence] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    lines: Callable[[str], int | None] = lambda path: None
    changed: Collection[str] = ()


def list_command_endings(entries: Sequence[Entry]) -> dict[str, str]:
    """The ending, such as 'exit 0', of each command of the checker in the transcript that has a result."""
    calls: dict[str, str] = {}
    ran: dict[str, str] = {}
    for entry in entries:
        is_call = entry.kind == "block" and entry.data.get("type") == "tool_call"
        if is_call and entry.data.get("name") in _RUNNING_TOOLS:
            calls[entry.data["id"]] = str(dict(entry.data["input"]).get("command", ""))
        elif entry.kind == "tool_result" and entry.data["call_id"] in calls:
            text, command = str(entry.data["content"]), calls[entry.data["call_id"]]
            ending = _ENDING.search(text)
            if command and text != INTERRUPTED:
                ran[_normalize_spaces(command)] = f"exit {ending[1]}" if ending else "did not end"
    return ran


def find_missing_references(verdict: SubmittedVerdict, known: KnownEvidence) -> dict[str, tuple[str, ...]]:
    """References to missing evidence by criterion, each as a clause."""
    found = {
        result.criterion: tuple(filter(None, (_find_problem(reference, known) for reference in result.evidence)))
        for result in verdict.results
    }
    return {criterion: problems for criterion, problems in found.items() if problems}


def _find_problem(reference: Reference, known: KnownEvidence) -> str:
    match reference.source:
        case "gate":
            return "" if reference.name in known.gate else f"Loopline has no evidence named {reference.name}"
        case "command":
            return "" if _find_ending(reference.name, known) else f"`{reference.name}` was not run in this run"
        case "file":
            path, line = _parse_place(reference)
            lines = known.lines(path)
            if lines is None:
                return f"there is no file {path}"
            return f"{path} has only {lines} lines, not {line}" if line > lines else ""


def _parse_place(reference: Reference) -> tuple[str, int]:
    """Path and line, also from the form path:line."""
    behind = _LINE.search(reference.name)
    path = reference.name[: behind.start()] if behind else reference.name
    return path.removeprefix("./"), reference.line or (int(behind[1]) if behind else 0)


def _find_ending(command: str, known: KnownEvidence) -> str:
    """The ending of the command, alone or as part of a longer line; empty if it did not run."""
    wanted = _normalize_spaces(command)
    if wanted in known.commands:
        return known.commands[wanted]
    whole = (ending for ran, ending in known.commands.items() if wanted and wanted in _SEPARATORS.split(ran))
    return next((f"part of a line with {ending}" for ending in whole), "")


def _normalize_spaces(command: str) -> str:
    return "\n".join(" ".join(line.split()) for line in command.strip().splitlines())


def build_verdict(verdict: SubmittedVerdict, head_sha: CommitSha, known: KnownEvidence) -> Verdict:
    """The verdict on this commit. A result that refers to missing evidence is unsure."""
    wrong = find_missing_references(verdict, known)
    results = []
    for result in verdict.results:
        if result.criterion in wrong:
            text = f"refers to missing evidence: {'; '.join(wrong[result.criterion])}"
            results.append(CriterionResult(criterion=result.criterion, result="unsure", evidence=text))
        else:
            shown = "; ".join(_format_reference(reference, known) for reference in result.evidence)
            text = ": ".join(filter(None, (shown, result.reason)))
            own = next((_format_place(one, known) for one in result.evidence if _is_own(one, known)), "")
            results.append(
                CriterionResult(criterion=result.criterion, result=result.result, evidence=text[:2000], place=own[:300])
            )
    return Verdict(
        head_sha=head_sha,
        results=tuple(results),
        summary=verdict.summary,
        findings=tuple(Finding(**dict(finding)) for finding in verdict.findings),
        not_checked=tuple(verdict.not_checked),
        confidence=verdict.confidence,
        no_change_needed=verdict.no_change_needed,
        notes=_build_notes(verdict.notes, known.changed),
    )


def _build_notes(notes: SubmittedNotes, changed: Collection[str]) -> ReviewNotes:
    """The notes with the files that the change has."""
    first = {one.path.removeprefix("./"): one.why for one in reversed(notes.first)}
    known = [
        FileNote(path=path, why=cut(why.strip(), _NOTE_CHARACTERS))
        for path, why in reversed(first.items())
        if path in changed
    ]
    return ReviewNotes(
        what=cut(notes.what.strip(), 3 * _NOTE_CHARACTERS),
        risk=cut(notes.risk.strip(), 3 * _NOTE_CHARACTERS),
        steps=tuple(cut(step.strip(), _NOTE_CHARACTERS) for step in notes.steps if step.strip())[:_MOST_NOTES],
        first=tuple(known[:_MOST_NOTES]),
    )


def _is_own(reference: Reference, known: KnownEvidence) -> bool:
    """Whether the checker found it itself: a line of a file, or a command that Loopline did not run."""
    if reference.source == "file":
        return _parse_place(reference)[1] > 0
    ran = {_normalize_spaces(proof.command) for proof in known.gate.values()}
    return reference.source == "command" and _normalize_spaces(reference.name) not in ran


def _format_place(reference: Reference, known: KnownEvidence) -> str:
    return _format_reference(reference.model_copy(update={"shows": ""}), known)


def find_unproven(verdict: Verdict, contract: Contract) -> tuple[str, ...]:
    """The requests of people that pass although no commit was made for them, and no place shows that they held."""
    unchanged = {criterion.id for criterion in contract.list_unchanged(verdict.head_sha)}
    return tuple(
        r.criterion for r in verdict.results if r.criterion in unchanged and r.result == "pass" and not r.place
    )


def reject_unproven(verdict: Verdict, contract: Contract) -> Verdict:
    """The verdict in which such requests fail."""
    unproven = find_unproven(verdict, contract)
    results = tuple(
        replace(r, result="fail", evidence=NO_NEW_COMMIT) if r.criterion in unproven else r for r in verdict.results
    )
    return replace(verdict, results=results)


def _format_reference(reference: Reference, known: KnownEvidence) -> str:
    match reference.source:
        case "gate":
            proof = known.gate[reference.name]
            shown = f"{reference.name}: `{proof.command}` exit {proof.exit_code}"
        case "command":
            shown = f"`{reference.name}` {_find_ending(reference.name, known)}"
        case "file":
            path, line = _parse_place(reference)
            shown = f"{path}:{line}" if line else path
    return f"{shown} ({reference.shows})" if reference.shows else shown


def keep_required(verdict: Verdict, contract: Contract) -> Verdict:
    """The verdict without results of checks that fail on the base commit too."""
    optional = {c.id for c in contract.criteria} - {c.id for c in contract.required}
    return replace(verdict, results=tuple(r for r in verdict.results if r.criterion not in optional))


def find_contradictions(
    verdict: Verdict, evidence: Sequence[Evidence] = (), *, changed: bool = False
) -> tuple[str, ...]:
    """Contradictions in the verdict, each as a clause; with any the verdict does not mean done.

    `evidence` is Loopline's own of the same commit; `changed`: the candidate differs from its base."""
    results = {result.criterion: result.result for result in verdict.results}
    passes = bool(results) and set(results.values()) == {"pass"}
    failed = {proof.name: proof for proof in evidence if proof.failed and not proof.needs_approval}
    found = [
        f"{r.criterion} passes, and Loopline's own run of its command did not"
        for r in verdict.results
        if r.result == "pass" and r.criterion in failed
    ]
    found += [
        f"{r.criterion} passes without evidence"
        for r in verdict.results
        if r.result == "pass" and not r.evidence.strip()
    ]
    if len(results) < len(verdict.results):
        found.append("a criterion has more than one result")
    if passes and any(finding.severity == "blocker" for finding in verdict.findings):
        found.append("every criterion passes, and a finding is a blocker")
    if passes and verdict.confidence == "low":
        found.append("every criterion passes, and its confidence is low")
    if verdict.no_change_needed and not passes:
        found.append("the verdict claims that no change is needed, and not every criterion passes")
    if verdict.no_change_needed and changed:
        found.append("the verdict claims that no change is needed, and there is one")
    return tuple(found)
