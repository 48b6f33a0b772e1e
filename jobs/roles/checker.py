"""The checker's slice: fresh context, read-only tree, another model. Called by `jobs.advance_run`. The verdict is bound
to the commit; `jobs.workflow` decides whether it means done.

A verdict that refers to missing evidence, or contradicts itself, is rejected once for a retry. After that such results
count as unsure, and the contradiction stays in the verdict for the rules. Counter-examples that it names are repeated
after the submission, with a note for each, so a crash costs at most one of them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from integrations.errors import Rejected
from integrations.ports.agent_runner import Entry, ToolResult, ToolSpec
from integrations.proof import COUNTER_EXAMPLE, CounterExample
from integrations.results import VERDICT, Checked, Verdict
from jobs.evidence.counter_examples import add_unconfirmed, apply_examples
from jobs.evidence.verdicts import (
    NO_NEW_COMMIT,
    KnownEvidence,
    SubmittedExample,
    SubmittedVerdict,
    build_verdict,
    find_contradictions,
    find_missing_references,
    find_unproven,
    keep_required,
    list_command_endings,
)
from jobs.roles.briefs import build_checker_brief
from jobs.roles.fresh_trees import Stopped
from jobs.roles.own_tests import OwnTests, list_own_tests
from jobs.roles.reading import read_and_answer
from jobs.roles.review_diff import read_diff
from jobs.roles.slice import RunResult, Slice
from jobs.roles.submission import HostTool, accept_answer, parse_form, reject_answer

MAX_DIFF_BYTES = 200_000
_EXAMPLES = "counter_examples"
"""Key of the run's final result, beside the verdict, and of the notes about repeated tests."""
CONFIRMED = "a confirmed counter-example"
_DOUBTS = "The verdict cannot be taken as it is: "
VERDICT_TOOL = ToolSpec(
    "submit_verdict",
    "Give your verdict on every criterion of the contract. This ends your work; call it once.",
    SubmittedVerdict.model_json_schema(),
)


def run_checker(run: Slice) -> RunResult | None:
    """Some turns of the checker. A run that ends without a verdict is done, and no criterion is met."""
    spec = run.spec
    brief, own_tests = build_checker_brief(spec, read_diff(run, MAX_DIFF_BYTES)), OwnTests(run)
    outcome = read_and_answer(
        run,
        lambda *_: HostTool(VERDICT_TOOL, lambda given, _: _accept_verdict(run, given)),
        brief,
        (own_tests.tool,),
    )
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    if outcome.kind != "done":
        return RunResult(outcome.kind, outcome.summary)
    if outcome.final is None:
        return RunResult("done", outcome.summary, Checked())
    final = dict(outcome.final)
    named = [SubmittedExample.model_validate(one) for one in final.pop(_EXAMPLES, ())]
    try:
        repeated = _repeat_examples(run, own_tests, named)
    except Stopped as stopped:
        return stopped.ended
    if repeated is None:
        return None
    verdict = _conclude(run, VERDICT.from_builtins(final), named, repeated)
    return RunResult("done", outcome.summary, Checked(verdict=verdict))


def _repeat_examples(
    run: Slice, own_tests: OwnTests, named: Sequence[SubmittedExample]
) -> list[CounterExample | str] | None:
    """For each named test the confirmed counter-example, or why it is none; None if the slice's time ends before."""
    deadline = time.monotonic() + run.world.settings.slice_seconds
    entries = run.conversation.entries()
    tests = list_own_tests(entries)
    notes = [entry.data[_EXAMPLES] for entry in entries if entry.kind == "note" and _EXAMPLES in entry.data]
    found = [note["problem"] or COUNTER_EXAMPLE.from_builtins(note["example"]) for note in notes]
    for one in named[len(found) :]:
        if len(found) > len(notes) and time.monotonic() > deadline:
            return None
        result = own_tests.confirm(tests[one.own_test], one.criterion, one.shows)
        if isinstance(result, str):
            ending, note = result, {"problem": result}
        else:
            ending, note = CONFIRMED, {"problem": "", "example": COUNTER_EXAMPLE.to_builtins(result)}
        text = f"$ {tests[one.own_test].command}\n{one.criterion}: {ending}"
        run.conversation.append(Entry("note", {"text": text, _EXAMPLES: note}))
        found.append(result)
    return found


def _conclude(
    run: Slice, verdict: Verdict, named: Sequence[SubmittedExample], repeated: Sequence[CounterExample | str]
) -> Verdict:
    """The verdict with what the repeated tests show."""
    tests = list_own_tests(run.conversation.entries())
    for one, result in zip(named, repeated, strict=True):
        if isinstance(result, str):
            verdict = add_unconfirmed(verdict, tests[one.own_test].command, one.shows, result)
    return apply_examples(verdict, [one for one in repeated if isinstance(one, CounterExample)])


def _accept_verdict(run: Slice, arguments: Mapping[str, Any]) -> ToolResult:
    """The verdict on the run's commit as the run's result, or an error that the checker can fix."""
    spec, entries = run.spec, run.conversation.entries()
    criteria = [criterion.id for criterion in spec.contract.criteria]
    submitted = read_verdict(arguments, criteria, list_own_tests(entries))
    if isinstance(submitted, ToolResult):
        return submitted
    gate = {proof.name: proof for proof in spec.candidate.evidence}
    changed = {change.path for change in run.mirror.changes(spec.workspace.base_sha, spec.start_sha, max_read=0)}
    known = KnownEvidence(gate, list_command_endings(entries), lambda path: _count_lines(run, path), changed)
    verdict = build_verdict(submitted, spec.start_sha, known)
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
    examples = [one.model_dump(mode="json") for one in submitted.counter_examples]
    return accept_answer(VERDICT.to_builtins(verdict) | {_EXAMPLES: examples})


def read_verdict(
    arguments: Mapping[str, Any], criteria: Sequence[str], own_tests: Collection[int] = ()
) -> SubmittedVerdict | ToolResult:
    """The verdict if it is valid, has one result for each of `criteria`, and names tests of `own_tests` only; otherwise
    the error for the model."""
    verdict = parse_form(SubmittedVerdict, arguments)
    if isinstance(verdict, ToolResult):
        return verdict
    given = [result.criterion for result in verdict.results]
    examples = verdict.counter_examples
    bare = [r.criterion for r in verdict.results if r.result != "unsure" and not r.evidence]
    problems = {
        "These criteria have no result": [name for name in criteria if name not in given],
        "These are not in the contract": [
            name for name in (*given, *(one.criterion for one in examples)) if name not in criteria
        ],
        "There are no own tests with these numbers": [
            str(one.own_test) for one in examples if one.own_test not in own_tests
        ],
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
