"""The verdict, the merge, and the commit status. Called by `jobs.workflow`."""

from __future__ import annotations

from integrations.results import CriterionResult
from jobs.loop.state import Criterion, Loop
from jobs.messages.ci import checks_line
from jobs.messages.experiments import format_tests, list_proof
from jobs.messages.foreign import others_line
from jobs.messages.network import blocked_commands_line
from jobs.messages.pull_request import format_page
from jobs.messages.text import (
    MARKS,
    fit_lines,
    fold,
    format_tampering,
    inline,
    limit_words,
    link,
    money_message,
    state_message,
)
from jobs.messages.upstream import carried_line

STATUS_CONTEXT = "loopline/verdict"


VISIBLE_WORDS = 120
"""Of a verdict before its fold."""
_LIST_WORDS, _PROOF_WORDS, _TEXT_WORDS, _EVIDENCE_WORDS = 50, 45, 14, 12


def verdict_message(loop: Loop, dashboard_url: str = "") -> str:
    """One line for each criterion; the rest is folded, on the dashboard and in the pull request."""
    candidate, contract = loop.candidate, loop.contract
    assert candidate.verdict and contract
    total, number = len(contract.required), loop.pull_request.number
    page = link("details", format_page(loop, dashboard_url)) if dashboard_url else ""
    places = [link(f"pull request {number}" if number else "pull request", loop.pull_request.url), page]
    head = f"**Verdict: done ({total}/{total})** at `{candidate.head_sha[:7]}` · " + " · ".join(filter(None, places))
    shown, others = fit_lines(_list_results(loop), _LIST_WORDS)
    if others:
        shown.append(f"- … and {len(others)} more below")
    proof = list_proof(candidate.gate, candidate.accepted_by)
    short, rest = fit_lines(proof, _PROOF_WORDS)
    if proof:
        shown.append("- " + "; ".join([*short, *rest[-1:]]))
    by = "A second, read-only agent checked this commit against the output of commands that Loopline ran itself."
    by = carried_line(loop) or by
    more = ["\n".join(others)]
    if len(rest) > 1:
        more.append("Proof:\n" + "\n".join(f"- {line}" for line in proof))
    more += [*_list_accepted(loop), "Not checked:\n" + _not_checked(loop)]
    if line := checks_line(loop):
        shown.append(f"\n{line}")
    more += filter(None, [blocked_commands_line(loop.blocked, loop.workflow.network)])
    if candidate.gate.others:
        shown.append(f"- {others_line(candidate.gate.others, loop.foreign.pushes)}")
    return "\n\n".join(
        [
            head,
            "\n".join(shown),
            "Reply `/approve` and `/merge`, or `/changes <request>`.",
            fold("Details", by, *more, f"Spent: {money_message(loop)}."),
        ]
    )


def _list_results(loop: Loop) -> list[str]:
    """A line for each criterion: mark, text, and the evidence that decides. Criteria that are not met come first."""
    assert loop.candidate.verdict and loop.contract
    by_id = {r.criterion: r for r in loop.candidate.verdict.results}
    lines = []
    for c in loop.contract.criteria:
        result = by_id.get(c.id)
        mark = MARKS[result.result] if result else "?"
        evidence = _name_evidence(loop, c, result) if result else "not judged"
        lines.append((mark == MARKS["pass"], f"- {mark} {inline(limit_words(c.text, _TEXT_WORDS))} — {evidence}"))
    return [line for _, line in sorted(lines, key=lambda one: one[0])]


def _name_evidence(loop: Loop, criterion: Criterion, result: CriterionResult) -> str:
    """The evidence that decides: the criterion's own command, else the place that the checker found."""
    proof = next((e for e in loop.candidate.evidence if e.name == criterion.id), None)
    if proof and proof.flaky:
        return "flaky at this commit"
    if proof:
        on_base = " on the base branch too" if proof.base and not proof.passed else ""
        tests = f", {format_tests(proof.tests)}" if proof.tests else ""
        return f"exit {proof.exit_code} in {proof.seconds:.1f} s{tests}{on_base}"
    unchanged = loop.contract is not None and criterion in loop.contract.list_unchanged(loop.candidate.head_sha)
    held = "no new commit, it held before: " if unchanged else ""
    return held + inline(limit_words(result.place or result.evidence, _EVIDENCE_WORDS))


def _not_checked(loop: Loop) -> str:
    assert loop.candidate.verdict
    return "\n".join(f"- {inline(line)}" for line in loop.candidate.verdict.not_checked) or "- nothing listed"


def _list_accepted(loop: Loop) -> list[str]:
    found = loop.candidate.tampering
    title = f"Changes that {inline(loop.candidate.accepted_by) or 'a person'} accepted:"
    return ["\n".join([title, *(f"- {format_tampering(t)}" for t in found[:12])])] if found else []


def pull_request_subtitle(loop: Loop) -> str:
    return f"{state_message(loop.stage)} · {loop.candidate.head_sha[:7]}"


def merged_message(loop: Loop) -> str:
    pull = link(f"Pull request {loop.pull_request.number}", loop.pull_request.url)
    deleted = "The worktree was deleted" if loop.workspace.taken_over_by else "The worktree and branch were deleted"
    return f"**Merged.** {pull} · {money_message(loop)}. {deleted}."


def no_change_message(loop: Loop) -> str:
    """The base branch already meets the contract, confirmed by the checker."""
    candidate, contract = loop.candidate, loop.contract
    assert candidate.verdict and contract
    total = len(contract.required)
    shown, others = fit_lines(_list_results(loop), _LIST_WORDS)
    if others:
        shown.append(f"- … and {len(others)} more below")
    by = "A second, read-only agent checked it against the output of commands that Loopline ran itself."
    return "\n\n".join(
        [
            f"**Verdict: done, no change needed ({total}/{total})** on the base branch at `{candidate.head_sha[:7]}`.",
            "\n".join(shown),
            "If something is missing, add it to a **Done when** list and move the ticket back to the agent column.",
            fold("Details", by, "\n".join(others), f"Spent: {money_message(loop)}. There is no pull request."),
        ]
    )
