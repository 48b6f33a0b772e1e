"""The lines of what was tried. Called by `jobs.workflow`; makers read them too."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.results import CriterionResult, Evidence, Finding, Judgement, RunOutcome
from jobs.loop.state import Loop
from jobs.messages.text import inline


def iteration_line(loop: Loop, outcome: str) -> str:
    """One line of what was tried."""
    sha = f" at `{loop.head_sha[:7]}`" if loop.head_sha else ""
    return f"iteration {loop.iteration}{sha}: {outcome}"


def said_more_line() -> str:
    """A passing verdict, but somebody wrote while nobody could hear it."""
    return "done, but people said more meanwhile"


def gate_failed_line(failing: list[Evidence]) -> str:
    """What the gate said."""
    line = "the gate failed: " + ", ".join(f"`{e.command}` {_ending(e)}" for e in failing[:4])
    if not any(e.needs_a_yes for e in failing):
        return line
    return (
        f"{line}; with the change's own tests and configuration it passes, so mend the code, or end again as it is if "
        "the ticket asks for other expectations: a person will be asked"
    )


def _ending(e: Evidence) -> str:
    if e.flaky:
        return "is flaky, it ended with " + ", ".join(map(str, e.exit_codes)) + " at the same commit"
    return f"exit {e.exit_code}"


def verdict_failed_line(open_results: list[CriterionResult]) -> str:
    """What the checker said."""
    return "the checker was not satisfied: " + "; ".join(
        f"{r.criterion} {r.result}{f' ({inline(r.evidence)[:160]})' if r.evidence else ' without evidence'}"
        for r in open_results[:4]
    )


def approach_line(attempt: int) -> str:
    """How an attempt differs from the one before; the record keeps it."""
    if attempt == 1:
        return "the first way that came up"
    return "another strategy" if attempt == 2 else "another strategy, with a stronger model"


def no_result_line(outcome: RunOutcome, summary: str) -> str:
    """A maker that ended without work to look at."""
    words = {"turns": "it used all of its turns", "refused": "the model refused", "failed": "it failed"}
    ended = words.get(outcome, f"it ended as {outcome}")
    return f"the maker ended without a result: {ended}. {inline(summary)}".strip()


def stray_line(stray: Sequence[str]) -> str:
    """Files that look left behind."""
    return "files were left behind: " + ", ".join(f"`{inline(path)}`" for path in stray[:6])


def reverted_line() -> str:
    """The work went back to what it was before."""
    return "the change went back to what an earlier iteration had already tried"


def same_failures_line(failing: Sequence[Evidence], rounds: int) -> str:
    """The gate says the same again and again."""
    names = ", ".join(f"`{e.command}`" for e in failing[:4])
    return f"the same checks failed {rounds} times in a row: {names}"


def judge_line(judgement: Judgement) -> str:
    """What the judge misses."""
    missing = "; ".join(inline(item)[:200] for item in judgement.missing[:4])
    return "not done yet: " + (missing or inline(judgement.reason)[:300] or "the judge names nothing in particular")


def blockers_line(findings: Sequence[Finding]) -> str:
    """Findings that contradict a verdict of done."""
    shown = "; ".join((f"{f.path}:{f.line} " if f.path else "") + inline(f.text)[:200] for f in findings[:3])
    return f"the checker found what must not stay: {shown}"


def not_confirmed_line() -> str:
    """An empty change that nobody vouches for."""
    return "nothing was changed, and the checker does not confirm that nothing had to be"


def contradiction_line(clauses: Sequence[str]) -> str:
    """A verdict that cannot be true."""
    return "the verdict contradicts itself: " + "; ".join(inline(clause) for clause in clauses[:4])


def changed_checks_line() -> str:
    """Done, were it not for what it is checked by."""
    return "done, and tests or checks were changed"
