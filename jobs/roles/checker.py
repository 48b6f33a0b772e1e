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
from integrations.results import Verdict
from jobs.evidence.submitted_verdict import SubmittedVerdict
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
    brief = checker_brief(spec, run.mirror.diff(spec.base_sha, spec.start_sha, MAX_DIFF_BYTES))
    outcome = read_and_answer(run, lambda _: HostTool(verdict_spec(), lambda given, _: _take(run, given)), brief)
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    if outcome.kind != "done":
        return RunResult(outcome.kind, outcome.summary)
    verdict = _verdict(run, outcome.final) if outcome.final is not None else None
    return RunResult("done", outcome.summary, spec.start_sha, verdict=verdict)


def _take(run: Slice, arguments: Mapping[str, Any]) -> ToolResult:
    verdict = read_verdict(arguments, [criterion.id for criterion in run.spec.contract.criteria])
    if isinstance(verdict, ToolResult):
        return verdict
    doubts = _doubts(run, verdict)
    return taken(verdict) if not doubts or _sent_back(run) else back(f"{_DOUBTS}{'; '.join(doubts)}.")


def _doubts(run: Slice, verdict: SubmittedVerdict) -> list[str]:
    """What has to be mended, in words for the checker."""
    spec, known = run.spec, _known(run)
    missing = [f"{criterion}: {problem}" for criterion, ps in invented(verdict, known).items() for problem in ps]
    changed = spec.start_sha != spec.base_sha
    return missing or list(contradictions(verdict_of(verdict, spec.start_sha, known), spec.evidence, changed=changed))


def _sent_back(run: Slice) -> bool:
    results = (entry for entry in run.conversation.entries() if entry.kind == "tool_result")
    return any(entry.data["is_error"] and str(entry.data["content"]).startswith(_DOUBTS) for entry in results)


def _verdict(run: Slice, final: Mapping[str, Any]) -> Verdict:
    return verdict_of(SubmittedVerdict.model_validate(dict(final)), run.spec.start_sha, _known(run))


def _known(run: Slice) -> Known:
    gate = {proof.name: proof for proof in run.spec.evidence}
    return Known(gate, commands_run(run.conversation.entries()), lambda path: _lines(run, path))


def _lines(run: Slice, path: str) -> int | None:
    """Of the file in the candidate, or in the base where the change removes it."""
    for sha in (run.spec.start_sha, run.spec.base_sha):
        try:
            text = run.mirror.read(sha, path)
        except Rejected:  # too large, or not text: it is there
            return 10**9
        if text is not None:
            return len(text.splitlines()) or 1
    return None
