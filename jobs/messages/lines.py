"""One-line results of iterations and attempts, for the ticket and for the next maker's brief."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.proof import CounterExample
from integrations.results import CriterionResult, Evidence, Finding, Judgement, RunOutcome, Tampering
from jobs.loop.state import Loop
from jobs.messages.experiments import counter_example_line
from jobs.messages.text import code, inline


def iteration_line(loop: Loop, outcome: str) -> str:
    sha = f" at `{loop.candidate.head_sha[:7]}`" if loop.candidate.head_sha else ""
    return f"iteration {loop.attempt.iteration}{sha}: {inline(outcome)}"


NEW_GUIDANCE_LINE = "done, but new comments arrived in the meantime"
"""The verdict passes, but guidance arrived after the maker had finished."""


def gate_failed_line(failing: list[Evidence]) -> str:
    line = "the gate failed: " + ", ".join(f"{code(e.command)} {_format_ending(e)}" for e in failing[:4])
    if not any(e.needs_approval for e in failing):
        return line
    return (
        f"{line}. Change the tests so that they fail without the work. If that is impossible, finish again without "
        "changes and a person will decide"
    )


def _format_ending(e: Evidence) -> str:
    if e.flaky:
        return "is flaky: exit codes " + ", ".join(map(str, e.exit_codes)) + " at the same commit"
    if e.timeout:
        return f"did not end within {e.timeout:g} seconds"
    if e.needs_approval:
        return f"passes, but proves nothing: {inline(e.refuted, 300)}"
    return f"exit {e.exit_code}" + (f" ({e.killed})" if e.killed else "")


def verdict_failed_line(open_results: list[CriterionResult], examples: Sequence[CounterExample] = ()) -> str:
    """The criteria that are not met; `examples` decide theirs."""
    decisive = {one.criterion: counter_example_line(one) for one in reversed(examples)}
    shown = {r.criterion: decisive.get(r.criterion) or inline(r.evidence, 160) for r in open_results}
    return "the checker rejected it: " + "; ".join(
        f"{inline(r.criterion)} {r.result}{f' ({text})' if (text := shown[r.criterion]) else ' without evidence'}"
        for r in open_results[:4]
    )


def approach_line(attempt: int) -> str:
    """The default description of an attempt whose maker named no approach."""
    if attempt == 1:
        return "first approach"
    return "a different approach" if attempt == 2 else "a different approach with a stronger model"


def no_result_line(outcome: RunOutcome, summary: str) -> str:
    reasons = {"turns": "it used all of its turns", "refused": "the model refused", "failed": "it failed"}
    ended = reasons.get(outcome, f"it ended as {inline(outcome)}")
    return f"the maker ended without a result: {ended}. {inline(summary)}".strip()


def stray_line(stray: Sequence[str]) -> str:
    return "leftover files: " + ", ".join(code(path) for path in stray[:6])


def unresolved_line(places: Sequence[str]) -> str:
    return "conflicts of the merge are not resolved: " + ", ".join(code(place) for place in places[:6])


def leak_line(found: Sequence[Tampering]) -> str:
    shown = ", ".join(f"{code(f'{t.path}:{t.line}')} ({inline(t.text)})" for t in found[:6])
    return (
        f"possible secrets in the change: {shown}. Remove them, and read such values from the environment; if none is "
        "a real secret, finish again without changes and a person will decide"
    )


REVERTED_LINE = "the change reverted to an earlier candidate that had already been rejected"
"""The candidate equals an earlier one of this attempt."""


def same_failures_line(failing: Sequence[Evidence], rounds: int) -> str:
    names = ", ".join(code(e.command) for e in failing[:4])
    return f"the same checks failed {rounds} times in a row: {names}"


def judge_line(judgement: Judgement) -> str:
    missing = "; ".join(inline(item, 200) for item in judgement.missing[:4])
    return "not done yet: " + (missing or inline(judgement.reason, 300) or "the judge gave no reason")


def blockers_line(findings: Sequence[Finding]) -> str:
    shown = "; ".join((f"{inline(f.path)}:{f.line} " if f.path else "") + inline(f.text, 200) for f in findings[:3])
    return f"the checker found blockers: {shown}"


NOT_CONFIRMED_LINE = "nothing was changed, and the checker does not confirm that no change is needed"


def contradiction_line(clauses: Sequence[str]) -> str:
    return "the verdict contradicts itself: " + "; ".join(inline(clause) for clause in clauses[:4])


NEEDS_APPROVAL_LINE = "done, but some changes need approval"
