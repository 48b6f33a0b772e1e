"""Verdict, pull request and commit status. Called by `jobs.workflow`."""

from __future__ import annotations

from urllib.parse import quote

from integrations.results import CriterionResult, Provenance
from jobs.loop.state import Contract, Loop
from jobs.messages.text import (
    MARKS,
    code,
    format_evidence,
    format_tampering,
    inline,
    money_message,
    quoted,
    state_message,
)

STATUS_CONTEXT = "loopline/verdict"


def verdict_message(loop: Loop) -> str:
    candidate, contract = loop.candidate, loop.contract
    assert candidate.verdict and contract
    total = len(contract.required)
    return "\n\n".join(
        [
            (
                f"**Verdict: done ({total}/{total}).** A second, read-only agent checked `{candidate.head_sha[:7]}` "
                f"against the output of commands that Loopline ran itself. Pull request: {loop.pull_request.url}"
            ),
            _results(contract, candidate.verdict.results),
            *_accepted(loop, "{}:\n"),
            "Not checked:\n" + _not_checked(loop),
            f"Spent: {money_message(loop)}. Reply `/approve` and `/merge`, or `/changes <what>`.",
        ]
    )


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
    page = f"{quote(dashboard_url, safe=':/[]%')}/tickets/{quote(loop.identifier, safe='')}"
    runs = [f"- {run.role}: {_models(run)}, [run]({page}?run={quote(run.run_id)})" for run in (made, checked) if run]
    return "## Provenance\n\n" + "\n".join([line, *runs])


def _models(run: Provenance) -> str:
    """The requested model, and those that the provider named if they differ."""
    others = [code(model) for model in run.reported_models if model != run.model]
    return code(run.model) + (f" (the provider reported {', '.join(others)})" if others else "")


def pull_request_subtitle(loop: Loop) -> str:
    return f"{state_message(loop.stage)} · {loop.candidate.head_sha[:7]}"


def merged_message(loop: Loop) -> str:
    deleted = "The worktree was deleted" if loop.workspace.taken_over_by else "The worktree and branch were deleted"
    return f"**Merged.** {loop.pull_request.url} · {money_message(loop)}. {deleted}."


def no_change_message(loop: Loop) -> str:
    """The base branch already meets the contract, confirmed by the checker."""
    candidate, contract = loop.candidate, loop.contract
    assert candidate.verdict and contract
    total = len(contract.required)
    return "\n\n".join(
        [
            (
                f"**Verdict: done, no change needed ({total}/{total}).** The base branch already meets the contract at "
                f"`{candidate.head_sha[:7]}`. A second, read-only agent checked it against the output of commands that "
                "Loopline ran itself. There is no pull request."
            ),
            _results(contract, candidate.verdict.results),
            (
                f"Spent: {money_message(loop)}. If something is missing, add it to a **Done when** list and move the "
                "ticket back to the agent column."
            ),
        ]
    )
