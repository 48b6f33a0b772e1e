"""The checker's slice: fresh context, read-only, another model. Called by `jobs.advance_run`. Its verdict is tied to
the commit; whether it means done is decided by `jobs.workflow`.

A verdict that names evidence which does not exist, or contradicts itself, goes back once. After that such results count
as unsure, and the contradiction stays for the rules to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.errors import Rejected
from integrations.ports.agent_runner import ToolResult
from integrations.results import VERDICT, Checked
from jobs.evidence.verdicts import Known, commands_run, contradictions, invented, verdict_of
from jobs.roles.answers.submission import HostTool, back, taken
from jobs.roles.answers.verdict import read_verdict, verdict_spec
from jobs.roles.briefs import checker_brief
from jobs.roles.read_only import read_and_answer
from jobs.roles.slice import RunResult, Slice

MAX_DIFF_BYTES = 200_000
_DOUBTS = "The verdict cannot be taken as it is: "


def run_checker(run: Slice) -> RunResult | None:
    """Some turns of the checker. A run that ends without a verdict is done, and nothing is met."""
    spec = run.spec
    brief = checker_brief(spec, run.mirror.diff(spec.workspace.base_sha, spec.start_sha, MAX_DIFF_BYTES))
    outcome = read_and_answer(run, lambda _: HostTool(verdict_spec(), lambda given, _: _take(run, given)), brief)
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    if outcome.kind != "done":
        return RunResult(outcome.kind, outcome.summary)
    verdict = VERDICT.from_builtins(outcome.final) if outcome.final is not None else None
    return RunResult("done", outcome.summary, Checked(verdict=verdict))


def _take(run: Slice, arguments: Mapping[str, Any]) -> ToolResult:
    """The verdict on the run's commit as the run's result, or what the checker has to correct."""
    spec, known = run.spec, _known(run)
    submitted = read_verdict(arguments, [criterion.id for criterion in spec.contract.criteria])
    if isinstance(submitted, ToolResult):
        return submitted
    verdict = verdict_of(submitted, spec.start_sha, known)
    doubts = [f"{criterion}: {problem}" for criterion, ps in invented(submitted, known).items() for problem in ps]
    changed = spec.start_sha != spec.workspace.base_sha
    doubts = doubts or list(contradictions(verdict, spec.candidate.evidence, changed=changed))
    if doubts and not _sent_back(run):
        return back(f"{_DOUBTS}{'; '.join(doubts)}.")
    return taken(VERDICT.to_builtins(verdict))


def _sent_back(run: Slice) -> bool:
    results = (entry for entry in run.conversation.entries() if entry.kind == "tool_result")
    return any(entry.data["is_error"] and str(entry.data["content"]).startswith(_DOUBTS) for entry in results)


def _known(run: Slice) -> Known:
    gate = {proof.name: proof for proof in run.spec.candidate.evidence}
    return Known(gate, commands_run(run.conversation.entries()), lambda path: _lines(run, path))


def _lines(run: Slice, path: str) -> int | None:
    """Of the file in the candidate, or in the base where the change removes it."""
    for sha in (run.spec.start_sha, run.spec.workspace.base_sha):
        try:
            text = run.mirror.read(sha, path)
        except Rejected:  # too large, or not text: it is there
            return 10**9
        if text is not None:
            return len(text.splitlines()) or 1
    return None
