"""The checker's slice: fresh context, read-only tree, another model. Called by `jobs.advance_run`. The verdict is bound
to the commit; `jobs.workflow` decides whether it means done.

A verdict that refers to missing evidence, or contradicts itself, is rejected once for a retry. After that such results
count as unsure, and the contradiction stays in the verdict for the rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.errors import Rejected
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.results import VERDICT, Checked
from jobs.evidence.verdicts import (
    NO_NEW_COMMIT,
    KnownEvidence,
    SubmittedVerdict,
    apply_examples,
    build_verdict,
    find_contradictions,
    find_missing_references,
    find_unproven,
    keep_required,
    list_command_endings,
)
from jobs.roles.briefs import build_checker_brief
from jobs.roles.own_tests import build_test_tool, list_examples
from jobs.roles.reading import read_and_answer
from jobs.roles.review_diff import read_diff
from jobs.roles.slice import RunResult, Slice
from jobs.roles.submission import HostTool, accept_answer, parse_form, reject_answer

MAX_DIFF_BYTES = 200_000
_DOUBTS = "The verdict cannot be taken as it is: "
VERDICT_TOOL = ToolSpec(
    "submit_verdict",
    "Give your verdict on every criterion of the contract. This ends your work; call it once.",
    SubmittedVerdict.model_json_schema(),
)


def run_checker(run: Slice) -> RunResult | None:
    """Some turns of the checker. A run that ends without a verdict is done, and no criterion is met."""
    spec = run.spec
    brief = build_checker_brief(spec, read_diff(run, MAX_DIFF_BYTES))
    outcome = read_and_answer(
        run,
        lambda *_: HostTool(VERDICT_TOOL, lambda given, _: _accept_verdict(run, given)),
        brief,
        (build_test_tool(run),),
    )
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    if outcome.kind != "done":
        return RunResult(outcome.kind, outcome.summary)
    verdict = VERDICT.from_builtins(outcome.final) if outcome.final is not None else None
    return RunResult("done", outcome.summary, Checked(verdict=verdict))


def _accept_verdict(run: Slice, arguments: Mapping[str, Any]) -> ToolResult:
    """The verdict on the run's commit as the run's result, or an error that the checker can fix."""
    spec, entries = run.spec, run.conversation.entries()
    submitted = read_verdict(arguments, [criterion.id for criterion in spec.contract.criteria])
    if isinstance(submitted, ToolResult):
        return submitted
    gate = {proof.name: proof for proof in spec.candidate.evidence}
    changed = {change.path for change in run.mirror.changes(spec.workspace.base_sha, spec.start_sha, max_read=0)}
    known = KnownEvidence(gate, list_command_endings(entries), lambda path: _count_lines(run, path), changed)
    verdict = apply_examples(build_verdict(submitted, spec.start_sha, known), list_examples(entries))
    missing = find_missing_references(submitted, known)
    doubts = [f"{criterion}: {problem}" for criterion, problems in missing.items() for problem in problems]
    is_changed = spec.start_sha != spec.workspace.base_sha
    doubts = doubts or list(
        find_contradictions(keep_required(verdict, spec.contract), spec.candidate.evidence, changed=is_changed)
    )
    doubts += [f"{name}: {NO_NEW_COMMIT}" for name in find_unproven(verdict, spec.contract)]
    errors = [str(entry.data["content"]) for entry in entries if entry.kind == "tool_result" and entry.data["is_error"]]
    if doubts and not any(error.startswith(_DOUBTS) for error in errors):
        return reject_answer(f"{_DOUBTS}{'; '.join(doubts)}.")
    return accept_answer(VERDICT.to_builtins(verdict))


def read_verdict(arguments: Mapping[str, Any], criteria: Sequence[str]) -> SubmittedVerdict | ToolResult:
    """The verdict if it is valid and has one result for each of `criteria`; otherwise the error for the model."""
    verdict = parse_form(SubmittedVerdict, arguments)
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
    return reject_answer(wrong) if wrong else verdict


def _count_lines(run: Slice, path: str) -> int | None:
    """Lines of the file in the candidate, or in the base if the change removes it."""
    for sha in (run.spec.start_sha, run.spec.workspace.base_sha):
        try:
            text = run.mirror.read(sha, path)
        except Rejected:  # exists, but is too large or not text
            return 10**9
        if text is not None:
            return len(text.removesuffix("\n").split("\n"))
    return None
