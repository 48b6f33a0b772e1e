"""What a checker's answer is worth: whether the evidence that it names exists, and whether it contradicts itself.

Pure. `jobs.roles.checker` makes verdicts with it, `jobs.workflow` asks `contradictions`. Doubt always counts against
'done'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from integrations.agents.entries import INTERRUPTED
from integrations.ports.agent_runner import Entry
from integrations.results import CriterionResult, Evidence, Finding, Verdict
from integrations.values import CommitSha
from jobs.evidence.submitted_verdict import Reference, SubmittedVerdict

_ENDING = re.compile(r"\[exit (-?\d+)\]\s*$")
_SEPARATORS = re.compile(r"\s*(?:&&|\|\||;|\||\n)\s*")
_LINE = re.compile(r":(\d+)(?:-\d+)?$")


@dataclass(frozen=True)
class Known:
    """The evidence that there is: Loopline's by name, how each command of the checker ended, and how many lines a file
    has (None: there is no such file, neither in the candidate nor removed by it)."""

    gate: Mapping[str, Evidence] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    lines: Callable[[str], int | None] = lambda path: None


def commands_run(entries: Sequence[Entry]) -> dict[str, str]:
    """How each command that the agent ran with bash ended, as 'exit 0'; those without an answer are left out."""
    calls: dict[str, str] = {}
    ran: dict[str, str] = {}
    for entry in entries:
        if entry.kind == "block" and entry.data.get("type") == "tool_call" and entry.data.get("name") == "bash":
            calls[entry.data["id"]] = str(dict(entry.data["input"]).get("command", ""))
        elif entry.kind == "tool_result" and entry.data["call_id"] in calls:
            text, command = str(entry.data["content"]), calls[entry.data["call_id"]]
            ending = _ENDING.search(text)
            if command and text != INTERRUPTED:
                ran[_spaced(command)] = f"exit {ending[1]}" if ending else "did not end"
    return ran


def invented(verdict: SubmittedVerdict, known: Known) -> dict[str, tuple[str, ...]]:
    """By criterion, the references to evidence that does not exist, each as a clause."""
    found = {
        result.criterion: tuple(filter(None, (_problem(reference, known) for reference in result.evidence)))
        for result in verdict.results
    }
    return {criterion: problems for criterion, problems in found.items() if problems}


def _problem(reference: Reference, known: Known) -> str:
    match reference.source:
        case "gate":
            return "" if reference.name in known.gate else f"Loopline has no evidence named {reference.name}"
        case "command":
            return "" if _ending_of(reference.name, known) else f"`{reference.name}` was not run in this run"
        case "file":
            path, line = place_of(reference)
            lines = known.lines(path)
            if lines is None:
                return f"there is no file {path}"
            return f"{path} has only {lines} lines, not {line}" if line > lines else ""


def place_of(reference: Reference) -> tuple[str, int]:
    """Path and line, also where the line was written behind the path."""
    behind = _LINE.search(reference.name)
    path = reference.name[: behind.start()] if behind else reference.name
    return path.removeprefix("./"), reference.line or (int(behind[1]) if behind else 0)


def _ending_of(command: str, known: Known) -> str:
    """How the command ended, as a whole or as a part of a longer line; empty when it was not run."""
    wanted = _spaced(command)
    if wanted in known.commands:
        return known.commands[wanted]
    whole = (ending for ran, ending in known.commands.items() if wanted and wanted in _SEPARATORS.split(ran))
    return next((f"part of a line with {ending}" for ending in whole), "")


def _spaced(command: str) -> str:
    return "\n".join(" ".join(line.split()) for line in command.strip().splitlines())


def verdict_of(verdict: SubmittedVerdict, head_sha: CommitSha, known: Known) -> Verdict:
    """The verdict on this commit. A result that names evidence which does not exist is unsure."""
    wrong = invented(verdict, known)
    results = []
    for result in verdict.results:
        if result.criterion in wrong:
            words = f"named evidence that does not exist: {'; '.join(wrong[result.criterion])}"
            results.append(CriterionResult(criterion=result.criterion, result="unsure", evidence=words))
        else:
            shown = "; ".join(_shown(reference, known) for reference in result.evidence)
            words = ": ".join(filter(None, (shown, result.reason)))
            results.append(CriterionResult(criterion=result.criterion, result=result.result, evidence=words[:2000]))
    return Verdict(
        head_sha=head_sha,
        results=tuple(results),
        summary=verdict.summary,
        findings=tuple(Finding(**dict(finding)) for finding in verdict.findings),
        not_checked=tuple(verdict.not_checked),
        confidence=verdict.confidence,
        no_change_needed=verdict.no_change_needed,
    )


def _shown(reference: Reference, known: Known) -> str:
    match reference.source:
        case "gate":
            proof = known.gate[reference.name]
            shown = f"{reference.name}: `{proof.command}` exit {proof.exit_code}"
        case "command":
            shown = f"`{reference.name}` {_ending_of(reference.name, known)}"
        case "file":
            path, line = place_of(reference)
            shown = f"{path}:{line}" if line else path
    return f"{shown} ({reference.shows})" if reference.shows else shown


def contradictions(verdict: Verdict, evidence: Sequence[Evidence] = (), *, changed: bool = False) -> tuple[str, ...]:
    """What in the verdict cannot be true together, each as a clause; a verdict with any does not mean done.

    `evidence` is Loopline's own of the same commit; `changed`: the candidate differs from its base."""
    results = {result.criterion: result.result for result in verdict.results}
    passes = bool(results) and set(results.values()) == {"pass"}
    failed = {proof.name: proof for proof in evidence if not (proof.passed or proof.needs_approval)}
    found = [
        f"{r.criterion} passes, and Loopline's own run of its command did not"
        for r in verdict.results
        if r.result == "pass" and r.criterion in failed
    ]
    found += [f"{r.criterion} passes without evidence" for r in verdict.results if _bare(r)]
    if len(results) < len(verdict.results):
        found.append("a criterion has more than one result")
    if passes and any(finding.severity == "blocker" for finding in verdict.findings):
        found.append("every criterion passes, and a finding is a blocker")
    if passes and verdict.confidence == "low":
        found.append("every criterion passes, and its confidence is low")
    if verdict.no_change_needed and not passes:
        found.append("no change is said to be needed, and not every criterion passes")
    if verdict.no_change_needed and changed:
        found.append("no change is said to be needed, and there is one")
    return tuple(found)


def _bare(result: CriterionResult) -> bool:
    return result.result == "pass" and not result.evidence.strip()
