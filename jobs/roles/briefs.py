"""What agents are told: the system text of a role, and the brief of one run. Pure text building for `jobs.advance_run`.

Everything that people or repositories wrote is fenced as data, with a mark that it cannot close: the mark is made from
the run's id, so the brief is the same text at every slice and the prompt cache holds.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic_core import to_json

from integrations.results import Evidence, Verdict
from jobs.contract.agreement import stated
from jobs.contract.criterion_text import item_of
from jobs.loop.commands import RunSpec
from jobs.loop.state import ClosedAttempt

OUTPUT_FOR_JUDGE, OUTPUT_FOR_CHECKER, CLAIM_CHARACTERS = 600, 1_500, 2_000
APPROACH = "Approach:"
"""How the line begins in which a maker names its strategy; `jobs.advance_run` takes it into the record."""
RECORD_CHARACTERS = 600
_PROMPTS = Path(__file__).parent / "prompts"


def system_text(spec: RunSpec, agents_md: str, skills: str = "") -> str:
    """The role's rules, then the repository's own instructions and list of skills from its base branch.

    A judge gets none: it weighs the contract against the evidence and nothing else."""
    rules = (_PROMPTS / f"{spec.role}.md").read_text(encoding="utf-8").strip()
    given = () if spec.role == "judge" else (spec.policy.instructions, agents_md.strip(), skills)
    own = "\n\n".join(part for part in given if part)
    return rules + (f"\n\n{_fence(spec, 'repository', own)}" if own else "")


def maker_brief(spec: RunSpec) -> str:
    """Ticket, contract, words of people, the scout's plan, and what is known of the work before.

    A fresh attempt knows the record of the attempts before it and the last gate's evidence, not their conversations."""
    parts = [
        _ticket(spec),
        f"Iteration {spec.attempt.iteration} of {spec.iterations}"
        + (f", attempt {spec.attempt.number}" if spec.attempt.number > 1 else ""),
        _contract(spec),
        _words(spec),
        _plan(spec),
        _attempts(spec),
        _shown(spec),
    ]
    return "\n\n".join(part for part in parts if part)


def planner_brief(spec: RunSpec) -> str:
    """Ticket, its own list, words of people, and the checks that hold in any case."""
    checks = "\n".join(f"- {check.name}: `{check.run}`" for check in spec.policy.loop.checks)
    own = "\n".join(f"{n}. {item_of(c)}" for n, c in enumerate(stated(spec.ticket.description).criteria, 1))
    parts = [
        _ticket(spec),
        own and f"## The ticket's own list\n\nJudge each item by its number:\n\n{_fence(spec, 'ticket', own)}",
        "## Checks\n\nThese commands of the repository are in every contract already; do not propose them again:\n\n"
        + _fence(spec, "repository", checks or "(none)"),
        _words(spec),
    ]
    return "\n\n".join(part for part in parts if part)


def scout_brief(spec: RunSpec) -> str:
    """Ticket, contract and words of people."""
    return "\n\n".join(part for part in (_ticket(spec), _contract(spec), _words(spec)) if part)


def judge_brief(spec: RunSpec, diff: str) -> str:
    """Ticket, contract, what Loopline saw, the diff, and what the maker claims."""
    parts = [
        _ticket(spec),
        _contract(spec),
        _words(spec),
        _proof(spec, OUTPUT_FOR_JUDGE),
        _suspicions(spec),
        "## Diff\n\n" + _fence(spec, "diff", diff or "(empty)"),
        "## Claim\n\nWhat the maker says about its own work, unchecked:\n\n"
        + _fence(spec, "claim", spec.candidate.summary[:CLAIM_CHARACTERS] or "(nothing)"),
    ]
    return "\n\n".join(part for part in parts if part)


def checker_brief(spec: RunSpec, diff: str) -> str:
    """Ticket, contract, Loopline's evidence, what looks like tampering, and the diff; not the maker's talk."""
    parts = [
        _ticket(spec),
        f"The commit under review is {spec.start_sha}; it was made from {spec.workspace.base_sha}.",
        _contract(spec),
        _words(spec),
        _proof(spec, OUTPUT_FOR_CHECKER),
        _suspicions(spec),
        "## Diff\n\n" + _fence(spec, "diff", diff or "(empty)"),
    ]
    return "\n\n".join(part for part in parts if part)


def _proof(spec: RunSpec, characters: int) -> str:
    """Each command that Loopline ran with how it ended, then the tails of what they printed."""
    lines = "\n".join(_proof_line(e) for e in spec.candidate.evidence) or "- no criterion names a command"
    outputs = "\n\n".join(
        f"output of {e.name}:\n{e.output[-characters:].strip()}" for e in spec.candidate.evidence if e.output
    )
    shown = f"{lines}\n\n{outputs}" if outputs else lines
    return "## Evidence\n\nCommands that Loopline ran in a clean checkout of this commit:\n\n" + _fence(
        spec, "evidence", shown
    )


def _proof_line(e: Evidence) -> str:
    notes = [_evidence_line(e)]
    if e.flaky:
        notes.append(f"FLAKY, which proves nothing: at this commit it ended with {', '.join(map(str, e.exit_codes))}")
    if e.before is not None:
        notes.append(f"without the change it ended with {e.before}")
    return "; ".join(notes)


def _suspicions(spec: RunSpec) -> str:
    if not spec.candidate.tampering:
        return ""
    lines = "\n".join(
        f"- {t.kind}: {t.path}{f':{t.line}' if t.line else ''}: {' '.join(t.text.split())[:200]}"
        for t in spec.candidate.tampering
    )
    told = "Places where the change touches what it is checked by. Say for each whether it hides that something fails:"
    return f"## Possible tampering\n\n{told}\n\n{_fence(spec, 'tampering', lines)}"


def _ticket(spec: RunSpec) -> str:
    head = f"Ticket {spec.ticket.identifier}: {' '.join(spec.ticket.title.split())}"
    return f"{head}\n\n{_fence(spec, 'ticket', spec.ticket.description or '(no description)')}"


def _contract(spec: RunSpec) -> str:
    lines = [
        f"- [{c.id}] {' '.join(c.text.split())}"
        + (f" (command: `{c.command}`)" if c.command else f" (evidence: {c.evidence})" if c.evidence else "")
        for c in spec.contract.criteria
    ]
    return f"## Contract\n\nDone means, all of it (`{spec.contract.digest}`):\n\n" + "\n".join(lines)


def _words(spec: RunSpec) -> str:
    if not spec.guidance:
        return ""
    said = "\n\n".join(f"{w.author}:\n{w.text}" for w in spec.guidance)
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


def _attempt(one: ClosedAttempt) -> str:
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
    if not spec.attempt.tried:
        failing = "\n\n".join(f"{_evidence_line(e)}\n{e.output}" for e in spec.candidate.evidence if not e.passed)
        heading = "## What the last attempt's gate showed\n\n"
        return heading + _fence(spec, "evidence", failing) if spec.attempts and failing else ""
    tried = "\n".join(f"- {line}" for line in spec.attempt.tried)
    failing = "\n\n".join(f"{_evidence_line(e)}\n{e.output}" for e in spec.candidate.evidence if not e.passed)
    verdict = _verdict(spec.candidate.verdict) if spec.candidate.verdict else ""
    shown = "\n\n".join(part for part in (tried, failing, verdict) if part)
    return "## What the last iteration showed\n\n" + _fence(spec, "evidence", shown)


def _verdict(verdict: Verdict) -> str:
    return to_json({n: v for n, v in vars(verdict).items() if n != "head_sha"}, indent=1).decode()


def _evidence_line(e: Evidence) -> str:
    first = next((line.strip() for line in reversed(e.output.splitlines()) if line.strip()), "no output")
    ending = f"exit {e.exit_code}"
    if e.needs_approval:
        ending = (
            f"exit 0 with the change's own tests and checks, exit {e.exit_code} with those of the base branch (a "
            "person decides about the difference; judge the rest)"
        )
    return f"- [{e.name}] {ending}: `{e.command}` ({e.seconds:.1f} s): {first[:200]}"


def _fence(spec: RunSpec, name: str, text: str) -> str:
    mark = hashlib.sha256(spec.run_id.encode()).hexdigest()[:8]
    inside = text.replace(f"-{mark}>", "-…>").strip()  # whoever knows the run's id knows the mark
    return f"<{name}-{mark}>\n{inside}\n</{name}-{mark}>"
