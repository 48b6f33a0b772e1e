"""Verdict, pull request and commit status. Called by `jobs.workflow`."""

from __future__ import annotations

from urllib.parse import quote

from integrations.results import CriterionResult, Provenance
from jobs.loop.state import Contract, Criterion, Loop
from jobs.messages.ci import checks_line
from jobs.messages.foreign import others_line
from jobs.messages.network import blocked_commands_line
from jobs.messages.text import (
    MARKS,
    code,
    fit_lines,
    fold,
    format_evidence,
    format_tampering,
    inline,
    limit_words,
    link,
    money_message,
    quoted,
    state_message,
)
from jobs.messages.upstream import carried_line

STATUS_CONTEXT = "loopline/verdict"


VISIBLE_WORDS = 120
"""Of a verdict before its fold."""
_LIST_WORDS, _TEXT_WORDS, _EVIDENCE_WORDS = 80, 14, 12


def verdict_message(loop: Loop, dashboard_url: str = "") -> str:
    """One line for each criterion; the rest is folded, on the dashboard and in the pull request."""
    candidate, contract = loop.candidate, loop.contract
    assert candidate.verdict and contract
    total, number = len(contract.required), loop.pull_request.number
    page = link("details", _format_page(loop, dashboard_url)) if dashboard_url else ""
    places = [link(f"pull request {number}" if number else "pull request", loop.pull_request.url), page]
    head = f"**Verdict: done ({total}/{total})** at `{candidate.head_sha[:7]}` · " + " · ".join(filter(None, places))
    shown, others = fit_lines(_list_results(loop), _LIST_WORDS)
    if others:
        shown.append(f"- … and {len(others)} more below")
    by = "A second, read-only agent checked this commit against the output of commands that Loopline ran itself."
    by = carried_line(loop) or by
    more = ["\n".join(others), *_accepted(loop, "{}:\n"), "Not checked:\n" + _not_checked(loop)]
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
        before = f", exit {proof.before} before" if proof.before is not None else ""
        on_base = " on the base branch too" if proof.base and not proof.passed else ""
        return f"exit {proof.exit_code} in {proof.seconds:.1f} s{on_base}{before}"
    unchanged = loop.contract is not None and criterion in loop.contract.list_unchanged(loop.candidate.head_sha)
    held = "no new commit, it held before: " if unchanged else ""
    return held + inline(limit_words(result.place or result.evidence, _EVIDENCE_WORDS))


def _results(contract: Contract, results: tuple[CriterionResult, ...]) -> str:
    by_id = {r.criterion: r for r in results}
    lines = []
    for c in contract.criteria:
        r = by_id.get(c.id)
        result = f"- {MARKS[r.result]} {inline(c.text)} — {inline(r.evidence)}" if r else ""
        lines.append(result or f"- ? {inline(c.text)} — not judged")
    return "\n".join(lines)


def _not_checked(loop: Loop) -> str:
    assert loop.candidate.verdict
    return "\n".join(f"- {inline(line)}" for line in loop.candidate.verdict.not_checked) or "- nothing listed"


def _accepted(loop: Loop, heading: str) -> list[str]:
    title = f"Changes that {inline(loop.candidate.accepted_by) or 'a person'} accepted"
    return (
        [heading.format(title) + "\n".join(f"- {format_tampering(t)}" for t in loop.candidate.tampering[:12])]
        if loop.candidate.tampering
        else []
    )


def pull_request_title(loop: Loop) -> str:
    """The identifier first, by which Linear links the pull request."""
    return f"{loop.identifier}: {inline(loop.ticket.title)}"


def pull_request_body(loop: Loop, dashboard_url: str) -> str:
    """Summary, contract with results, evidence, and the line by which Linear links the pull request."""
    assert loop.candidate.verdict and loop.contract
    return "\n\n".join(
        [
            f"Fixes {loop.identifier}",
            "## What and why\n\n"
            + "\n\n".join(filter(None, (inline(loop.ticket.title), quoted(loop.candidate.summary)))),
            f"## Contract `{loop.contract.digest}`, checked at `{loop.candidate.head_sha[:7]}`\n\n"
            + _results(loop.contract, loop.candidate.verdict.results),
            "## Evidence\n\n" + "\n".join(f"- {format_evidence(e)}" for e in loop.candidate.evidence),
            *filter(None, [carried_line(loop)]),
            *_dependencies(loop),
            *_accepted(loop, "## {}\n\n"),
            "## Not checked\n\n" + _not_checked(loop),
            *_findings(loop),
            _provenance(loop, dashboard_url),
            f"[{loop.identifier}]({loop.ticket.url}) · {loop.attempt.iteration} iterations · {money_message(loop)}",
        ]
    )


def _dependencies(loop: Loop) -> list[str]:
    lines = [f"- {code(name)}" for name in loop.candidate.gate.dependencies]
    return ["## New dependencies\n\n" + "\n".join(lines)] if lines else []


def _findings(loop: Loop) -> list[str]:
    assert loop.candidate.verdict
    places = ((f, f"{code(f'{f.path}:{f.line}')}: " if f.path else "") for f in loop.candidate.verdict.findings)
    lines = [f"- {f.severity}: {place}{inline(f.text)}" for f, place in places]
    return ["## Findings\n\n" + "\n".join(lines)] if lines else []


def _provenance(loop: Loop, dashboard_url: str) -> str:
    """Commits, digests and models; without those of runs from before a rebuild, whose records are lost."""
    assert loop.contract
    candidate = loop.candidate
    made, checked = candidate.find_provenance("maker"), candidate.find_provenance("checker")
    base, head = code(loop.workspace.base_sha[:12]), code(candidate.head_sha[:12])
    line = f"- base {base}, head {head}, contract `{loop.contract.digest}`"
    if checked and checked.environment:
        line += f", environment {code(checked.environment[:12])}"
    page = _format_page(loop, dashboard_url)
    runs = [f"- {run.role}: {_models(run)}, [run]({page}?run={quote(run.run_id)})" for run in (made, checked) if run]
    return "## Provenance\n\n" + "\n".join([line, *runs])


def _format_page(loop: Loop, dashboard_url: str) -> str:
    return f"{quote(dashboard_url, safe=':/[]%')}/tickets/{quote(loop.identifier, safe='')}"


def _models(run: Provenance) -> str:
    """The requested model, and those that the provider named if they differ."""
    others = [code(model) for model in run.reported_models if model != run.model]
    return code(run.model) + (f" (the provider reported {', '.join(others)})" if others else "")


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
