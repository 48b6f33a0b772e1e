"""Escalations, and the reasons why a loop stops or waits. Called by `jobs.workflow`."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.environments.failure import find_decisive_line
from integrations.events import UNTIL_RESOLVED
from integrations.results import Evidence, RunRole
from integrations.texts import cut
from jobs.loop.state import EscalationClass, Loop
from jobs.messages.approvals import acceptance_line, list_approvals
from jobs.messages.ci import failure_logs_message
from jobs.messages.lines import approach_line
from jobs.messages.network import blocked_commands_line
from jobs.messages.text import (
    code,
    fenced,
    fold,
    format_time,
    inline,
    limit_words,
    money_message,
    quoted,
)


def dead_letter_reason(item: str, fault: str, letter_id: str) -> str:
    """An event or command that failed five times. `fault` is the exception's class, or the wrong setting."""
    return (
        f"Loopline could not process {code(item)} after several retries ({inline(fault)}) and moved it to the dead "
        f"letters. Run {code(f'python -m service redrive {letter_id}')} to retry it."
    )


APPROVE_AGAIN_REASON = (
    "Loopline rebuilt its state from this ticket during the merge. Answer `/approve` and `/merge` again."
)
"""A loop was rebuilt while merging, and no approval can be found."""

REBUILT_REASON = "Loopline rebuilt its state from this ticket. The last comment above shows what it is waiting for."
"""A loop was rebuilt while waiting for a person; the question is in an earlier comment."""


ESCALATION_TITLES: dict[EscalationClass, str] = {
    "judgement": "decision needed",
    "credentials": "invalid credentials or a missing permission",
    "infrastructure": "infrastructure problem",
    "environment": "environment problem",
    "policy": "refused by the policy",
    "budget": "budget used up",
    "turns": "out of turns",
    "conflict": "conflicting changes",
    "spinning": "no progress",
    "tamper": "changes need your approval",
    "ci": "failing checks",
}
"""The name of each class, on the ticket and on the dashboard."""
_HYPOTHESES: dict[EscalationClass, str] = {
    "judgement": "The contract may ask for something that the ticket does not make clear.",
    "credentials": "A key or token has expired or been revoked, or lacks a permission.",
    "infrastructure": "A setting or a service is broken, not the change itself.",
    "environment": "The repository's environment lacks something or a limit is too small, not the change itself.",
    "policy": "The ticket needs a change that a protected path or a limit forbids, or the agent changed too much.",
    "budget": "The task is larger than its budget, or the approach is too expensive.",
    "turns": "The task is too large for one ticket, or the agent has not found a way that leads to the goal.",
    "conflict": "Another person or tool is working on the same branch.",
    "spinning": "The agent gets no further by itself. It probably lacks knowledge that is not in the repository.",
    "ci": "The check needs something that the agent cannot see or change, or it fails for reasons of its own.",
    "tamper": "The ticket requires these changes without naming them, or the agent made them on its own.",
}
LONGEST_QUESTION = 1_500
LONGEST_RECORD = 40_000
"""Characters of an escalation's record, so that no tracker's limit cuts it off."""
_SHORT_REASON_WORDS, _REASON_WORDS, _LINE_WORDS = 20, 55, 12
_RETRY = "`/retry <hint>` starts another attempt with your hint and keeps the work so far"
_MORE_TURNS = "`/retry` gives the agent as many model calls again and keeps the work so far"
_OTHER_APPROACH = "`/retry <hint>` starts another attempt with the approach that you name"
_ADD_BUDGET = "`/budget +3` adds three dollars and continues"
_TAKE_OVER = "`/takeover` hands the branch to you, including the latest candidate commit"
_STOP = "`/stop` ends the work on this ticket"
_CLOSE = "`/close` abandons the ticket and deletes the branch"
_CHOICES: dict[EscalationClass, tuple[str, ...]] = {
    "judgement": (_RETRY, _TAKE_OVER, _CLOSE),
    "credentials": ("`/retry` after you have renewed the credentials or granted the permission", _TAKE_OVER, _CLOSE),
    "environment": (
        "push the fix to the base branch: the ticket then starts again by itself",
        "`/retry` after you have fixed it elsewhere",
        _TAKE_OVER,
        _CLOSE,
    ),
    "policy": (
        "`/retry` after you have changed the limit or the path's protection in WORKFLOW.md",
        "`/retry <hint>` with how to do it within the policy",
        _TAKE_OVER,
        _CLOSE,
    ),
    "infrastructure": ("`/retry` after you have fixed the problem", _TAKE_OVER, _CLOSE),
    "budget": (_ADD_BUDGET, _RETRY, _TAKE_OVER, _CLOSE),
    "turns": (_MORE_TURNS, _OTHER_APPROACH, _TAKE_OVER, _CLOSE),
    "conflict": ("`/retry` continues from the current state of the branch", _TAKE_OVER, _CLOSE),
    "spinning": (_RETRY, _TAKE_OVER, _CLOSE),
    "ci": (
        "wait: once the checks pass on the code host, the review begins",
        _RETRY,
        _TAKE_OVER,
        _CLOSE,
    ),
    "tamper": ("`/accept` allows these changes, all of them, in this commit", _RETRY, _TAKE_OVER, _CLOSE),
}


def agent_question_reason(question: str) -> str:
    """The agent cannot decide this on its own."""
    return f"the agent asks: {inline(question, LONGEST_QUESTION)}"


def _format_agent_question(loop: Loop) -> str:
    assert loop.escalation
    waits = bool(loop.escalation.run_id)
    others = "\n".join(f"- {choice}" for choice in (*((_STOP,) if waits else ()), _TAKE_OVER, _CLOSE))
    answers = "\n".join(f"- {inline(choice)}" for choice in loop.escalation.choices)
    effect = "the agent continues with it" if waits else "the next attempt starts with it"
    return "\n\n".join(
        [
            "**Question from the agent:**",
            quoted(cut(loop.escalation.question, LONGEST_QUESTION)),
            *([f"Possible answers:\n{answers}"] if answers else []),
            f"Reply here with the answer: {effect}. No more budget is spent until you reply.",
            f"Or:\n{others}",
        ]
    )


def escalation_message(loop: Loop) -> str:
    """The escalation comment: class, reason, likely cause, choices; attempts and outputs are folded. A question of the
    agent is put as a question."""
    assert loop.escalation
    if loop.escalation.question:
        return _format_agent_question(loop)
    kind = loop.escalation.kind
    failing = [e for e in loop.candidate.evidence if e.failed][:3]
    last = find_decisive_line(failing[0].output) if failing else ""
    hints = [f"Last failure: {code(limit_words(last, _LINE_WORDS))}"] if last and last not in loop.reason else []
    hints.append(f"Likely cause: {_HYPOTHESES[kind]}")
    if kind == "tamper":
        hints.append(acceptance_line(loop.candidate.tampering))
    is_short = len(loop.reason.split()) <= _SHORT_REASON_WORDS  # a longer one names cause and fix itself
    shown, folded = (hints, []) if is_short else ([], hints)
    return "\n\n".join(
        [
            f"**Needs you: {ESCALATION_TITLES[kind]}.** {inline(limit_words(loop.reason, _REASON_WORDS))}",
            *shown,
            "Choices:\n" + "\n".join(f"- {choice}" for choice in _CHOICES[kind]),
            "Reply or react to this comment to acknowledge it.",
            fold("Details", *folded, _format_record(loop, failing), f"Spent: {money_message(loop)}."),
        ]
    )


def _format_record(loop: Loop, failing: Sequence[Evidence]) -> str:
    """Everything that leads to the escalation, at most `LONGEST_RECORD` characters."""
    is_long = len(loop.reason.split()) > _REASON_WORDS or len(loop.reason) > _REASON_WORDS * 12
    tried = "\n".join(f"- {inline(line)}" for line in loop.all_tried[-12:]) or "- nothing yet"
    parts = [inline(loop.reason)] * is_long + ["Tried:\n" + tried]
    if loop.candidate.tampering:
        gate = loop.candidate.gate
        parts.append(f"Needs approval:\n{list_approvals(gate.tampering, gate.experiments)}")
    parts += [
        f"Last output of {code(e.command)} (exit {e.exit_code}):\n\n```\n{fenced(e.output)}\n```" for e in failing
    ]
    if loop.pull_request.number and loop.ci.failures:
        parts.append(failure_logs_message(loop.ci.failures))
    if line := blocked_commands_line(loop.blocked, loop.workflow.network):
        parts.append(line)
    return cut("\n\n".join(parts), LONGEST_RECORD)


def reminder_message(loop: Loop) -> str:
    reason = inline(limit_words(loop.reason, _REASON_WORDS))
    return f"**Still needs you:** {reason} The choices are listed in the escalation above."


def triage_message(loop: Loop) -> str:
    """An escalation that stayed unacknowledged after all reminders."""
    reason = inline(limit_words(loop.reason, _REASON_WORDS))
    if loop.escalation and loop.escalation.listed:
        return f"No answer yet, so a ticket in triage lists this one: {reason}"
    return f"No answer yet, so this ticket goes back to triage: {reason}"


def budget_reason(cap: float) -> str:
    """The ticket's budget `cap` (US dollars) is used up before a run starts."""
    return (
        f"the ticket's budget of ${cap:.2f} is used up." if cap else "the ticket's budget is $0, so no run can start."
    )


def parked_reason(what: str, until: float) -> str:
    """A run backs off until `until` (Unix seconds, or `UNTIL_RESOLVED`)."""
    if until >= UNTIL_RESOLVED:
        return f"Waiting: {inline(what)}"
    return f"Waiting until {format_time(until)}: {inline(what)}"


def run_blocked_reason(role: RunRole, summary: str, kind: EscalationClass = "infrastructure") -> str:
    """A run that ended without a result for a reason outside the change."""
    ended = {"turns": "ran out of turns", "spinning": "made no progress"}.get(kind, "could not run")
    return f"the {role} {ended}: {inline(summary)}"


def turns_reason(loop: Loop) -> str:
    """The maker has used all turns of its last iteration of the last attempt."""
    return f"the maker ran out of turns before the acceptance criteria were met.{_list_approaches(loop)}"


def calls_reason(loop: Loop, most: int) -> str:
    """The model calls of a ticket, at most `most` between two decisions of people, are used up."""
    used = f"{loop.spend.calls} of {most} model calls are used up and the acceptance criteria are not met."
    return f"{used}{_list_approaches(loop)}"


def _list_approaches(loop: Loop) -> str:
    """The approaches of all attempts, as a sentence; empty before the first maker has ended."""
    named = [closed.approach for closed in loop.attempts]
    named += [loop.attempt.approach or approach_line(loop.attempt.number)] if loop.attempt.tried else []
    shown = "; ".join(inline(one, 160) for one in list(dict.fromkeys(filter(None, named)))[-4:])
    return f" Tried: {shown}." if shown else ""


def iterations_reason(attempts: int, iterations: int) -> str:
    tries = f"{attempts} attempts" if attempts > 1 else "one attempt"
    return f"{tries} of up to {iterations} iterations did not meet the acceptance criteria."


def no_commit_reason(requests: Sequence[str]) -> str:
    """The maker changed nothing for these requests of people, twice."""
    listed = "; ".join(f"“{inline(text, 200)}”" for text in requests[:3])
    return f"the maker made no new commit for a request in two iterations: {listed}."


def too_many_revisions_reason(revisions: int) -> str:
    return (
        f"{revisions} revisions have been requested. `/retry <hint>` continues with the last request; describe in the "
        "hint what a final version has to do."
    )


def spinning_reason(summary: str) -> str:
    return f"the maker made no progress: {inline(summary)}"
