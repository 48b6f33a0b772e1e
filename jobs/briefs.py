"""What agents are told: the system text of a role, and the brief of one run. Pure text building for `jobs.advance_run`.

Everything that people or repositories wrote is fenced as data, with a mark that it cannot close: the mark is made from
the run's id, so the brief is the same text at every slice and the prompt cache holds.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from integrations.results import Evidence
from jobs.commands import RunSpec
from jobs.loop import Attempt

APPROACH = "Approach:"
"""How the line begins in which a maker names its strategy; `jobs.advance_run` takes it into the record."""
RECORD_CHARACTERS = 600
_PROMPTS = Path(__file__).parent / "prompts"


def system_text(spec: RunSpec, agents_md: str) -> str:
    """The role's rules, then the repository's own instructions from its base branch."""
    rules = (_PROMPTS / f"{spec.role}.md").read_text(encoding="utf-8").strip()
    own = "\n\n".join(part for part in (spec.policy.instructions, agents_md.strip()) if part)
    return rules + (f"\n\n{_fence(spec, 'repository', own)}" if own else "")


def maker_brief(spec: RunSpec) -> str:
    """Ticket, contract, words of people, the scout's plan, and what is known of the work before.

    A fresh attempt knows the record of the attempts before it and the last gate's evidence, not their conversations."""
    parts = [
        _ticket(spec),
        f"Iteration {spec.iteration} of {spec.iterations}" + (f", attempt {spec.attempt}" if spec.attempt > 1 else ""),
        _contract(spec),
        _words(spec),
        _plan(spec),
        _attempts(spec),
        _shown(spec),
    ]
    return "\n\n".join(part for part in parts if part)


def checker_brief(spec: RunSpec, diff: str) -> str:
    """Ticket, contract, Loopline's evidence and the diff; not the maker's talk."""
    evidence = "\n".join(_evidence_line(e) for e in spec.evidence) or "- no criterion names a command"
    parts = [
        _ticket(spec),
        f"The commit under review is {spec.start_sha}; it was made from {spec.base_sha}.",
        _contract(spec),
        _words(spec),
        "## Evidence\n\nCommands that Loopline ran in a clean checkout of this commit:\n\n"
        + _fence(spec, "evidence", evidence),
        "## Diff\n\n" + _fence(spec, "diff", diff or "(empty)"),
    ]
    return "\n\n".join(part for part in parts if part)


def _ticket(spec: RunSpec) -> str:
    head = f"Ticket {spec.identifier}: {' '.join(spec.ticket.title.split())}"
    return f"{head}\n\n{_fence(spec, 'ticket', spec.ticket.description or '(no description)')}"


def _contract(spec: RunSpec) -> str:
    lines = [
        f"- [{c.id}] {' '.join(c.text.split())}" + (f" (command: `{c.command}`)" if c.command else "")
        for c in spec.contract.criteria
    ]
    return f"## Contract\n\nDone means, all of it (`{spec.contract.digest}`):\n\n" + "\n".join(lines)


def _words(spec: RunSpec) -> str:
    if not spec.words:
        return ""
    said = "\n\n".join(f"{w.author}:\n{w.text}" for w in spec.words)
    return "## Words of people\n\n" + _fence(spec, "words", said)


def _plan(spec: RunSpec) -> str:
    if not spec.plan:
        return ""
    steps = [f"{number}. {step}" for number, step in enumerate(spec.plan.steps, 1)]
    lists = [("Paths", spec.plan.paths), ("Commands", spec.plan.commands)]
    lines = [spec.plan.summary, *steps, *(f"{name}: {', '.join(those)}" for name, those in lists if those)]
    said = "A scout, who could only read, proposes this. It is where to start, not what to believe:"
    return f"## Plan\n\n{said}\n\n" + _fence(spec, "plan", "\n".join(lines))


def _attempts(spec: RunSpec) -> str:
    """The structured record, and what it asks of this attempt."""
    if not spec.attempts:
        return ""
    record = "\n\n".join(_attempt(one) for one in spec.attempts)
    asked = (
        "None of these was accepted. Choose a different strategy, not a variation of one of them, and say in the line "
        f"that begins with `{APPROACH}` how it differs."
    )
    return f"## Attempts before this one\n\n{_fence(spec, 'attempts', record)}\n\n{asked}"


def _attempt(one: Attempt) -> str:
    lines = [
        f"Attempt {one.number} (${one.cost_usd:.2f})",
        *([f"approach: {_short(one.approach)}"] if one.approach else []),
        *(f"- {_short(line)}" for line in one.tried),
        *([f"what came of it: {_short(one.summary)}"] if one.summary else []),
        *([f"rejected because: {_short(one.rejected)}"] if one.rejected else []),
    ]
    return "\n".join(lines)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= RECORD_CHARACTERS else f"{line[: RECORD_CHARACTERS - 1]}…"


def _shown(spec: RunSpec) -> str:
    if not spec.tried:
        failing = "\n\n".join(f"{_evidence_line(e)}\n{e.output}" for e in spec.evidence if not e.passed)
        heading = "## What the last attempt's gate showed\n\n"
        return heading + _fence(spec, "evidence", failing) if spec.attempts and failing else ""
    tried = "\n".join(f"- {line}" for line in spec.tried)
    failing = "\n\n".join(f"{_evidence_line(e)}\n{e.output}" for e in spec.evidence if not e.passed)
    verdict = spec.verdict.model_dump_json(indent=1, exclude={"head_sha"}) if spec.verdict else ""
    shown = "\n\n".join(part for part in (tried, failing, verdict) if part)
    return "## What the last iteration showed\n\n" + _fence(spec, "evidence", shown)


def _evidence_line(e: Evidence) -> str:
    first = next((line.strip() for line in reversed(e.output.splitlines()) if line.strip()), "no output")
    return f"- [{e.name}] exit {e.exit_code}: `{e.command}` ({e.seconds:.1f} s): {first[:200]}"


def _fence(spec: RunSpec, name: str, text: str) -> str:
    mark = hashlib.sha256(spec.run_id.encode()).hexdigest()[:8]
    return f"<{name}-{mark}>\n{text.strip()}\n</{name}-{mark}>"
