"""The prompts of agents: the system text of a role, and the brief of one run. Pure.

All text from outside is fenced as data (`jobs.roles.fences`).
"""

from __future__ import annotations

from pathlib import Path

from pydantic_core import to_json

from integrations.ports.ci import CheckFailure
from integrations.results import Evidence
from integrations.texts import cut
from jobs.contract.agreement import read_ticket_criteria
from jobs.contract.criteria import format_criterion
from jobs.loop.commands import RunSpec
from jobs.loop.state import ClosedAttempt
from jobs.loop.template import describe_issue, render
from jobs.messages.ci import name_failure
from jobs.messages.experiments import format_tests
from jobs.messages.network import blocked_commands_line
from jobs.roles.merge_brief import format_merge
from jobs.roles.proof_brief import format_examples, format_experiments, format_refuted
from jobs.roles.review_comments import format_answers, format_review_comments
from jobs.roles.ticket_brief import fence, format_background, format_ticket
from jobs.workflow.run import TREELESS

OUTPUT_FOR_JUDGE, OUTPUT_FOR_CHECKER, CLAIM_CHARACTERS = 600, 1_500, 2_000
APPROACH = "Approach:"
"""Prefix of the line that names a maker's strategy; `jobs.advance_run` records it."""
RECORD_CHARACTERS = 600
GUIDANCE_CHARACTERS = 60_000
FAILURES_CHARACTERS = 30_000
_PROMPTS = Path(__file__).parent / "prompts"


def build_system_text(spec: RunSpec, agents_md: str, skills: str = "") -> str:
    """The role's rules, then the repository's instructions and skills from its base branch.

    Roles without a work tree get only their rules: they compare texts."""
    rules = (_PROMPTS / f"{spec.role}.md").read_text(encoding="utf-8").strip()
    given = () if spec.role in TREELESS else (_render_instructions(spec), agents_md.strip(), skills)
    own = "\n\n".join(part for part in given if part)
    return rules + (f"\n\n{fence(spec, 'repository', own)}" if own else "")


def _render_instructions(spec: RunSpec) -> str:
    """The text of WORKFLOW.md, with Symphony's variables of this ticket and run."""
    earlier = (spec.attempt.number - 1) * spec.iterations + spec.attempt.iteration - 1
    return render(spec.policy.instructions, describe_issue(spec.ticket), max(0, earlier) or None)


def build_maker_brief(spec: RunSpec, hunks: str = "") -> str:
    """Ticket, its background, contract, guidance, the scout's plan, and the results so far; `hunks` are the marked
    conflicts of a merge.

    A new attempt gets the record of the earlier attempts and the last gate's evidence, not their conversations."""
    place = f"Iteration {spec.attempt.iteration} of {spec.iterations}"
    return _join(
        format_ticket(spec),
        format_background(spec),
        place + (f", attempt {spec.attempt.number}" if spec.attempt.number > 1 else ""),
        _format_resumed(spec),
        _format_cause(spec),
        format_merge(spec, hunks),
        _format_others(spec),
        _format_contract(spec),
        _format_guidance(spec),
        format_review_comments(spec),
        _format_plan(spec),
        _format_accepted(spec),
        _format_attempts(spec),
        _format_failures(spec),
        _format_last_results(spec),
        format_refuted(spec),
        format_examples(spec),
        _format_blocked(spec),
    )


def build_planner_brief(spec: RunSpec) -> str:
    """Ticket, its background and own list, guidance, and the checks that are in every contract."""
    checks = "\n".join(f"- {check.name}: `{check.run}`" for check in spec.policy.loop.checks)
    own = "\n".join(
        f"{n}. {format_criterion(c)}" for n, c in enumerate(read_ticket_criteria(spec.ticket.description).criteria, 1)
    )
    return _join(
        format_ticket(spec),
        format_background(spec),
        own and f"## The ticket's own list\n\nJudge each item by its number:\n\n{fence(spec, 'ticket', own)}",
        "## Checks\n\nThese commands of the repository are in every contract already; do not propose them again:\n\n"
        + fence(spec, "repository", checks or "(none)"),
        _format_guidance(spec),
    )


def build_scout_brief(spec: RunSpec) -> str:
    """Ticket, its background, contract and guidance."""
    return _join(format_ticket(spec), format_background(spec), _format_contract(spec), _format_guidance(spec))


def build_judge_brief(spec: RunSpec, diff: str) -> str:
    """Ticket, contract, Loopline's evidence, the diff, and the maker's claim."""
    return _join(
        format_ticket(spec),
        _format_contract(spec),
        _format_review(spec, OUTPUT_FOR_JUDGE, diff),
        "## Claim\n\nThe maker's summary of its own work, unchecked:\n\n"
        + fence(spec, "claim", spec.candidate.summary[:CLAIM_CHARACTERS] or "(nothing)"),
    )


def build_checker_brief(spec: RunSpec, diff: str) -> str:
    """Ticket, its background, contract, Loopline's evidence, what needs approval, the diff; not the maker's claim."""
    return _join(
        format_ticket(spec),
        format_background(spec),
        f"The commit under review is {spec.start_sha}; it was made from {spec.workspace.base_sha}.",
        _format_contract(spec),
        _format_unchanged(spec),
        _format_others(spec),
        _format_review(spec, OUTPUT_FOR_CHECKER, diff),
    )


def build_answer_brief(spec: RunSpec, diff: str) -> str:
    """The comment, ticket, its background, contract, verdict, Loopline's evidence and the diff."""
    asked = spec.asked
    verdict = _format_verdict(spec)
    return _join(
        "## Comment\n\nA person wrote this; classify it, and answer it if it is a question:\n\n"
        + fence(spec, "comment", f"{asked.author}:\n{asked.text}" if asked else "(nothing)"),
        format_ticket(spec),
        format_background(spec),
        _format_contract(spec),
        verdict and "## Verdict\n\n" + fence(spec, "evidence", verdict),
        _format_accepted(spec),
        _format_attempts(spec),
        _format_review(spec, OUTPUT_FOR_JUDGE, diff),
    )


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def _format_review(spec: RunSpec, characters: int, diff: str) -> str:
    """Guidance, the commands that Loopline ran with exit codes and the ends of outputs, experiments, what needs
    approval, and the diff."""
    lines = "\n".join(_format_proof(e) for e in spec.candidate.evidence) or "- no criterion names a command"
    outputs = "\n\n".join(
        f"output of {e.name}:\n{e.output[-characters:].strip()}" for e in spec.candidate.evidence if e.output
    )
    return _join(
        _format_guidance(spec),
        format_answers(spec),
        "## Evidence\n\nCommands that Loopline ran in a clean checkout of this commit:",
        fence(spec, "evidence", _join(lines, outputs)),
        format_experiments(spec),
        _format_tampering(spec),
        "## Diff\n\n" + fence(spec, "diff", diff or "(empty)"),
    )


def _format_proof(e: Evidence) -> str:
    notes = [_format_evidence(e)]
    if e.base:
        notes.append("it fails on the base commit too" if e.base == "failing" else "it is flaky on the base commit too")
    if e.flaky:
        notes.append(f"FLAKY, which proves nothing: at this commit it ended with {', '.join(map(str, e.exit_codes))}")
    if e.tests:
        notes.append(format_tests(e.tests))
    if e.refuted:
        notes.append(f"PROVES NOTHING: {' '.join(e.refuted.split())}")
    return "; ".join(notes)


def _format_tampering(spec: RunSpec) -> str:
    if not spec.candidate.tampering:
        return ""
    lines = "\n".join(
        f"- {t.kind}: {t.path}{f':{t.line}' if t.line else ''}: {' '.join(t.text.split())[:200]}"
        for t in spec.candidate.tampering
    )
    task = (
        "Changes that a person has to accept: without them a check has another result, they are in protected places, "
        "or they could be secrets. State for each whether the ticket requires it and whether it hides a failure:"
    )
    return f"## Needs a person's approval\n\n{task}\n\n{fence(spec, 'tampering', lines)}"


def _format_contract(spec: RunSpec) -> str:
    lines = [
        f"- [{c.id}] {' '.join(c.text.split())}"
        + (f" (command: `{c.command}`)" if c.command else f" (evidence: {c.evidence})" if c.evidence else "")
        for c in spec.contract.criteria
    ]
    listed = "\n".join(lines)
    if spec.contract.may_change:
        listed += f"\nMay change: {', '.join(spec.contract.may_change)}"
    own = [c.id for c in spec.contract.criteria if c.base == "failing"]
    note = f"\n\nNot part of the work, since they fail without it: {', '.join(own)}." if own else ""
    return (
        f"## Contract\n\nDone means, all of it (`{spec.contract.digest}`):\n\n{fence(spec, 'contract', listed)}{note}"
    )


def _format_unchanged(spec: RunSpec) -> str:
    names = ", ".join(criterion.id for criterion in spec.contract.list_unchanged(spec.start_sha))
    return names and (
        f"## Unchanged\n\nNo new commit was made since a person requested {names}. It passes only if it held before: "
        "cite the file and line that shows it, or a command that you ran and that is not in the contract. Otherwise it "
        "fails."
    )


def _format_guidance(spec: RunSpec) -> str:
    """The newest guidance, as much as fits."""
    comments = "\n\n".join(f"{one.author}:\n{one.text}" for one in spec.guidance)
    if len(comments) > GUIDANCE_CHARACTERS:
        comments = f"[older comments are left out]\n\n{comments[-GUIDANCE_CHARACTERS:]}"
    return f"## Guidance\n\n{fence(spec, 'guidance', comments)}" if comments else ""


def _format_resumed(spec: RunSpec) -> str:
    return spec.resumes * (
        "The work tree holds the unfinished changes of an earlier run, which was interrupted. Read them first, with "
        f"`git diff {spec.workspace.base_sha[:12]}`, and continue from there."
    )


def _format_cause(spec: RunSpec) -> str:
    """Why accepted work is continued."""
    return spec.attempt.cause and f"## Reason for this round\n\n{spec.attempt.cause}."


def _format_others(spec: RunSpec) -> str:
    """The commits of other accounts on the branch, as data: their names are chosen by them."""
    lines = "\n".join(f"- {push.by or 'another account'}: {push.before[:12]}..{push.head[:12]}" for push in spec.pushes)
    return lines and (
        "## Commits of other people\n\nPeople pushed these to the branch. They are part of the work: keep them, and "
        f"change their lines only where the ticket or a person asks for it.\n\n{fence(spec, 'commits', lines)}"
    )


def _format_plan(spec: RunSpec) -> str:
    if not spec.plan:
        return ""
    steps = [f"{number}. {step}" for number, step in enumerate(spec.plan.steps, 1)]
    lists = [("Paths", spec.plan.paths), ("Commands", spec.plan.commands)]
    lines = [spec.plan.summary, *steps, *(f"{name}: {', '.join(those)}" for name, those in lists if those)]
    origin = "A scout with read-only access proposes this. Use it as a starting point and verify it:"
    return f"## Plan\n\n{origin}\n\n" + fence(spec, "plan", "\n".join(lines))


def _format_accepted(spec: RunSpec) -> str:
    """The work that the checker accepted before a person asked for more."""
    accepted = [one for one in spec.attempts if one.accepted]
    if not accepted:
        return ""
    record = fence(spec, "attempts", "\n\n".join(_format_attempt(one) for one in accepted))
    return (
        f"## Accepted work\n\n{record}\n\nThe checker accepted the work so far, and it is in the work tree. Keep it, "
        "and change only the parts that the newest request asks for. Take another approach only where the request asks "
        "for one."
    )


def _format_attempts(spec: RunSpec) -> str:
    """The record of the attempts that failed since the last accepted one, so that none is repeated."""
    last = max((place for place, one in enumerate(spec.attempts, 1) if one.accepted), default=0)
    failed = spec.attempts[last:]
    if not failed:
        return ""
    record = fence(spec, "attempts", "\n\n".join(_format_attempt(one) for one in failed))
    since = " since then" if last else ""
    task = (
        f"None of the attempts{since} was accepted. Choose a different strategy, not a variation of one of them, and "
        f"explain in the line that begins with `{APPROACH}` how it differs."
    )
    return _join("## Attempts before this one", record, task)


def _format_attempt(one: ClosedAttempt) -> str:
    lines = [
        f"Attempt {one.number} (${one.cost_usd:.2f})",
        *([f"approach: {_shorten(one.approach)}"] if one.approach else []),
        *(f"- {_shorten(line)}" for line in one.tried),
        *([f"result: {_shorten(one.summary)}"] if one.summary else []),
        *(
            [f"{'accepted, then' if one.accepted else 'rejected because'}: {_shorten(one.rejected)}"]
            if one.rejected
            else []
        ),
    ]
    return "\n".join(lines)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= RECORD_CHARACTERS else f"{line[: RECORD_CHARACTERS - 1]}…"


def _format_last_results(spec: RunSpec) -> str:
    failing = "\n\n".join(f"{_format_evidence(e)}\n{e.output}" for e in spec.candidate.evidence if e.failed)
    if not spec.attempt.tried:
        heading = "## Results of the last attempt's gate\n\n"
        return heading + fence(spec, "evidence", failing) if spec.attempts and failing else ""
    tried = "\n".join(f"- {line}" for line in spec.attempt.tried)
    return "## Results of the last iteration\n\n" + fence(
        spec, "evidence", _join(tried, failing, _format_verdict(spec))
    )


def _format_verdict(spec: RunSpec) -> str:
    """The checker's verdict without its tests, as JSON; empty without one."""
    verdict = vars(spec.candidate.verdict) if spec.candidate.verdict else {}
    given = {name: value for name, value in verdict.items() if name not in {"head_sha", "examples"}}
    return to_json(given, indent=1).decode() if given else ""


def _format_failures(spec: RunSpec) -> str:
    """The failing checks of the code host, with the ends of their logs."""
    if not spec.failures:
        return ""
    task = (
        f"The pull request is open, and these checks of the code host failed on {spec.pushed_sha[:12]}. Fix the cause "
        "in the code. Do not weaken or skip a check. If a failure cannot come from this change, finish without a "
        "change and explain it in the summary."
    )
    logs = cut("\n\n".join(map(_format_failure, spec.failures)), FAILURES_CHARACTERS)
    return f"## Failing checks of the code host\n\n{task}\n\n{fence(spec, 'checks', logs)}"


def _format_failure(one: CheckFailure) -> str:
    """A failing check with its step, annotations and the end of its log."""
    ending = {"timed_out": "timed out", "cancelled": "was cancelled"}.get(one.conclusion, "failed")
    head = f"{name_failure(one)} {ending}" + (f" at step {one.step!r}" if one.step else "")
    annotations = "\n".join(f"annotation {line}" for line in one.annotations)
    note = f"({one.note})" if one.note else ""
    return "\n".join(filter(None, (head + (f" ({one.url})" if one.url else ""), annotations, one.log.strip(), note)))


def _format_blocked(spec: RunSpec) -> str:
    """The hosts that commands could not connect to: a retry does not help."""
    line = blocked_commands_line(spec.blocked, spec.policy.loop.network)
    rule = "A retry has the same result: work without these hosts."
    return f"## Network\n\n{fence(spec, 'evidence', line)}\n\n{rule}" if line else ""


def _format_evidence(e: Evidence) -> str:
    first = next((line.strip() for line in reversed(e.output.splitlines()) if line.strip()), "no output")
    ending = f"exit {e.exit_code}"
    if e.needs_approval:
        ending = f"exit 0, but it proves nothing: {e.refuted} (a person decides about that; judge the rest)"
    return f"- [{e.name}] {ending}: `{e.command}` ({e.seconds:.1f} s): {first[:200]}"
