"""Title and description of a pull request, as sections with headings. Called by `jobs.workflow`.

`jobs.messages.pull_request_body` puts the sections into the repository's template, or into the description that people
have edited. No line but a section's heading begins with `#`, and no section has a code fence, so that each can be cut
after any line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import quote

from integrations.results import ChangedFile, CriterionResult, Provenance
from jobs.loop.pull_request_policy import CONVENTIONAL, PLAIN
from jobs.loop.state import Contract, Loop
from jobs.messages.experiments import list_proof
from jobs.messages.pull_request_body import fit_texts
from jobs.messages.text import (
    MARKS,
    code,
    format_evidence,
    format_tampering,
    inline,
    money_message,
    quoted,
)
from jobs.messages.upstream import carried_line

_MOST_CHARACTERS = 48_000
"""Of all sections; the zero-width spaces of `jobs.messages.sanitize` come on top."""
_MOST_LINES, _MOST_READ, _CLAIM_CHARACTERS, _LINE_CHARACTERS = 40, 7, 1_200, 600
CONVENTIONAL_TITLE = re.compile(r"(?P<type>[a-z]{2,12})(?:\([^()\n]{1,60}\))?!?: (?P<text>\S.*)")
"""A title of https://www.conventionalcommits.org."""
_TYPES = {
    "bug": "fix", "fix": "fix", "defect": "fix", "documentation": "docs", "docs": "docs", "chore": "chore",
    "refactor": "refactor", "refactoring": "refactor", "performance": "perf", "perf": "perf", "test": "test",
    "tests": "test", "ci": "ci", "build": "build", "dependencies": "build", "style": "style",
}  # fmt: skip
_TYPES_OF_FILES = {"document": "docs", "test": "test", "dependencies": "build"}
_CHATTER = re.compile(r"^\W*(?:approach|question)\W*:", re.IGNORECASE)


def pull_request_title(loop: Loop) -> str:
    """The title by the policy. It names the ticket, by which the tracker links the pull request."""
    wanted, title, identifier = loop.workflow.pull_request.title, inline(loop.ticket.title), loop.identifier
    if wanted == PLAIN:
        return f"{identifier}: {title}"
    if wanted == CONVENTIONAL:
        conventional = title if CONVENTIONAL_TITLE.match(title) else f"{find_type(loop)}: {_lower_first(title)}"
        return f"{conventional} ({identifier})"
    places = {"{identifier}": identifier, "{title}": title, "{type}": find_type(loop)}
    return re.sub(r"\{\w+\}", lambda place: places[place[0]], wanted)


def find_type(loop: Loop) -> str:
    """The type of a conventional commit: from the title, the ticket's labels, or the changed files."""
    if found := CONVENTIONAL_TITLE.match(loop.ticket.title):
        return found["type"]
    named = [label.lower() for label in loop.ticket.labels] + loop.ticket.title.lower().split()[:1]
    if known := next((_TYPES[name] for name in named if name in _TYPES), ""):
        return known
    kinds = {one.kind for one in loop.candidate.gate.size.first}
    return _TYPES_OF_FILES.get(kinds.pop(), "feat") if len(kinds) == 1 else "feat"


def _lower_first(title: str) -> str:
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def pull_request_body(loop: Loop, dashboard_url: str) -> str:
    """The line by which the tracker links the pull request, then what a reviewer reads first, then the evidence."""
    assert loop.candidate.verdict and loop.contract
    page = format_page(loop, dashboard_url)
    accepted_by = inline(loop.candidate.accepted_by) or "a person"
    sections = [
        ("What and why", _summarize(loop)),
        ("Read first", _list_first(loop)),
        ("Risk", _list_risks(loop)),
        ("Not checked", "\n".join(_bound(_list_not_checked(loop), page))),
        ("How to try it", _list_steps(loop)),
        (
            "Acceptance criteria",
            f"Contract `{loop.contract.digest}`, checked at `{loop.candidate.head_sha[:7]}`:\n\n"
            + (f"{carried_line(loop)}\n\n" if carried_line(loop) else "")
            + "\n".join(_bound(_list_results(loop.contract, loop.candidate.verdict.results), page)),
        ),
        ("Evidence", "\n".join(_bound([f"- {format_evidence(e)}" for e in loop.candidate.evidence], page))),
        ("Proof", "\n".join(_bound([f"- {line}" for line in _list_proof(loop)], page))),
        ("New dependencies", "\n".join(_bound([f"- {code(name)}" for name in loop.candidate.gate.dependencies], page))),
        (
            "Accepted changes",
            f"Accepted by {accepted_by}:\n\n"
            + "\n".join(_bound([f"- {format_tampering(t)}" for t in loop.candidate.tampering], page))
            if loop.candidate.tampering
            else "",
        ),
        ("Findings", "\n".join(_bound(_list_findings(loop), page))),
        ("Provenance", _format_provenance(loop, page)),
    ]
    fitting = fit_texts([text for _, text in sections], _MOST_CHARACTERS, page)
    found = [f"## {heading}\n\n{text}" for (heading, _), text in zip(sections, fitting, strict=True) if text]
    return "\n\n".join([f"Fixes {loop.identifier}", *found])


def list_proofs(loop: Loop) -> dict[str, str]:
    """The evidence that ticks a checkbox of the repository's template, by topic."""
    passed = {e.command: f"{code(e.command)} ended with exit 0" for e in loop.candidate.evidence if e.passed}
    topics = {
        "tests": r"test|spec",
        "lint": r"lint|ruff|flake8|prettier|format|style|clippy|vet\b",
        "types": r"mypy|tsc|pyright|type",
    }
    found = {
        topic: next((proof for command, proof in passed.items() if re.search(pattern, command, re.IGNORECASE)), "")
        for topic, pattern in topics.items()
    }
    first = loop.candidate.gate.size.first
    for topic, kind in (("added tests", "test"), ("documentation", "document")):
        found[topic] = next((f"{code(one.path)} is part of the change" for one in first if one.kind == kind), "")
    return {topic: proof for topic, proof in found.items() if proof}


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def _line(text: str) -> str:
    return inline(text, _LINE_CHARACTERS)


def _bound(lines: Sequence[str], page: str) -> list[str]:
    left_out = len(lines) - _MOST_LINES
    return [
        *lines[:_MOST_LINES],
        *([f"- … and {left_out:,} more on [the ticket's page]({page})"] if left_out > 0 else []),
    ]


def _summarize(loop: Loop) -> str:
    """The checker's summary for reviewers; without one the ticket's title and the maker's summary, as a quotation."""
    assert loop.candidate.verdict
    title, notes = inline(loop.ticket.title), loop.candidate.verdict.notes
    if notes.what:
        return f"{_line(notes.what)}\n\nTicket: {title}"
    return "\n\n".join(filter(None, (title, quoted(_clean_claim(loop.candidate.summary)))))


def _clean_claim(summary: str) -> str:
    """The maker's summary without its lines for Loopline, and without a reply that is data only."""
    lines = [line for line in summary.splitlines() if not _CHATTER.match(line)]
    text = "\n".join(lines).strip()
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text if len(text) <= _CLAIM_CHARACTERS else f"{text[: _CLAIM_CHARACTERS - 1]}…"
    return ""


def _list_first(loop: Loop) -> str:
    """The files to read first, each with the reason, and the rule that orders them."""
    assert loop.candidate.verdict
    verdict, size = loop.candidate.verdict, loop.candidate.gate.size
    known = {one.path: one for one in size.first}
    reasons: dict[str, str] = {one.path: _line(one.why) for one in verdict.notes.first}
    for finding in verdict.findings:
        if finding.path in known:
            reasons.setdefault(finding.path, f"{finding.severity} finding")
    for one in loop.candidate.tampering:
        reasons.setdefault(one.path, "needed approval")
    for file in size.first:
        reasons.setdefault(file.path, _find_reason(file))
    shown = list(reasons.items())[:_MOST_READ]
    lines = [
        f"{n}. {_format_file(path, known.get(path))}{why and f' — {why}'}" for n, (path, why) in enumerate(shown, 1)
    ]
    if not lines:
        return ""
    if size.files > len(lines):
        lines.append(f"\nAnd {_count(size.files - len(lines), 'more file')}.")
    if size.skipped:
        lines.append(f"\nNot listed: {_count(size.skipped, 'generated, lock or binary file')}.")
    order = (
        "Order: files that the checker names, its findings, changes that needed approval, paths that name a sensitive "
        "area, then code by changed lines; tests and documents come last."
    )
    return "\n".join(filter(None, [*lines, f"\n{order}"]))


def _format_file(path: str, file: ChangedFile | None) -> str:
    return f"{code(path, 300)} (+{file.added:,} −{file.removed:,})" if file else code(path, 300)


def _find_reason(file: ChangedFile) -> str:
    if file.sensitive and file.kind not in ("test", "document"):
        return f"its path names `{file.sensitive}`"
    return {"dependencies": "dependencies", "configuration": "configuration", "test": "test"}.get(file.kind, "")


def _list_risks(loop: Loop) -> str:
    """The checker's assessment, then facts that Loopline found itself."""
    assert loop.candidate.verdict
    verdict, gate = loop.candidate.verdict, loop.candidate.gate
    sensitive = sorted({one.sensitive for one in gate.size.first if one.sensitive and one.kind == "code"})
    serious = sum(1 for finding in verdict.findings if finding.severity != "minor")
    facts = [
        f"{_count(gate.size.lines, 'changed line')} in {_count(gate.size.files, 'file')}" if gate.size.files else "",
        f"touches {', '.join(f'`{term}`' for term in sensitive[:6])}" if sensitive else "",
        _count(len(gate.dependencies), "new dependency", "new dependencies") if gate.dependencies else "",
        f"{_count(len(gate.tampering), 'change')} needed a person's approval" if gate.tampering else "",
        f"{_count(serious, 'finding')} above minor" if serious else "",
        f"the checker's confidence is {verdict.confidence}",
    ]
    return "\n\n".join(filter(None, (_line(verdict.notes.risk), f"Facts: {'; '.join(filter(None, facts))}.")))


def _list_steps(loop: Loop) -> str:
    """The checker's steps; without them the contract's commands."""
    assert loop.candidate.verdict
    steps = [_line(step) for step in loop.candidate.verdict.notes.steps]
    commands = [code(e.command, 300) for e in loop.candidate.evidence if e.passed][:3]
    branch = f"Check out {code(loop.workspace.branch)}." if loop.workspace.branch else ""
    return "\n".join(f"{n}. {step}" for n, step in enumerate(filter(None, [branch, *(steps or commands)]), 1))


def _list_results(contract: Contract, results: tuple[CriterionResult, ...]) -> list[str]:
    by_id = {r.criterion: r for r in results}
    return [
        f"- {MARKS[by_id[c.id].result]} {_line(c.text)} — {_line(by_id[c.id].evidence)}"
        if c.id in by_id
        else f"- ? {_line(c.text)} — not judged"
        for c in contract.criteria
    ]


def _list_proof(loop: Loop) -> list[str]:
    return list_proof(loop.candidate.gate, loop.candidate.accepted_by)


def _list_not_checked(loop: Loop) -> list[str]:
    assert loop.candidate.verdict
    return [f"- {_line(one)}" for one in loop.candidate.verdict.not_checked] or ["- nothing listed"]


def _list_findings(loop: Loop) -> list[str]:
    assert loop.candidate.verdict
    places = ((f, f"{code(f'{f.path}:{f.line}')}: " if f.path else "") for f in loop.candidate.verdict.findings)
    return [f"- {f.severity}: {place}{_line(f.text)}" for f, place in places]


def _format_provenance(loop: Loop, page: str) -> str:
    """Commits, digests, models and cost; without those of runs from before a rebuild, whose records are lost."""
    assert loop.contract
    candidate = loop.candidate
    made, checked = candidate.find_provenance("maker"), candidate.find_provenance("checker")
    base, head = code(loop.workspace.base_sha[:12]), code(candidate.head_sha[:12])
    line = f"- base {base}, head {head}, contract `{loop.contract.digest}`"
    if checked and checked.environment:
        line += f", environment {code(checked.environment[:12])}"
    runs = [
        f"- {run.role}: {_format_models(run)}, [run]({page}?run={quote(run.run_id)})" for run in (made, checked) if run
    ]
    ticket = f"[{loop.identifier}]({loop.ticket.url}) · [details]({page})"
    return "\n".join([line, *runs, f"- {ticket} · {loop.attempt.iteration} iterations · {money_message(loop)}"])


def format_page(loop: Loop, dashboard_url: str) -> str:
    """The URL of the ticket's page on the dashboard."""
    return f"{quote(dashboard_url, safe=':/[]%')}/tickets/{quote(loop.identifier, safe='')}"


def _format_models(run: Provenance) -> str:
    """The requested model, and those that the provider named if they differ."""
    others = [code(model) for model in run.reported_models if model != run.model]
    return code(run.model) + (f" (the provider reported {', '.join(others)})" if others else "")


def size_message(loop: Loop) -> str:
    """The change is larger than the size budget: how it could be split."""
    size, most = loop.candidate.gate.size, loop.workflow.pull_request.size_lines
    parts = [
        f"- {code(one.path or '.')}: {_count(one.lines, 'line')} in {_count(one.files, 'file')}"
        for one in size.folders[:6]
    ]
    head = (
        f"**Large change:** {size.lines:,} changed lines in {_count(size.files, 'file')}, more than the {most:,} of "
        "`loop.pull_request.size_lines`, without generated files."
    )
    return "\n\n".join(
        [
            head,
            "It could be split by folder:\n" + "\n".join(parts),
            "Work continues. To split it, reply `/stop` and write a ticket for each part.",
        ]
    )
