"""Calls for a person, and why a loop stops or waits. Called by `jobs.workflow`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from integrations.results import RunRole, Tampering
from jobs.loop.state import EscalationClass, Loop
from jobs.messages.text import fenced, inline, money_message, shown_tampering


def dead_letter_reason(item: str, fault: str, letter_id: str) -> str:
    """An item that Loopline itself cannot deal with."""
    return (
        f"Loopline failed at `{item}` again and again ({fault}) and has put it aside; "
        f"`python -m service redrive {letter_id}` tries it once more."
    )


def approve_again_reason() -> str:
    """What a rebuilt loop that was merging waits for when nobody's approval can be found."""
    return "Loopline's memory was rebuilt from this ticket while it merged: answer `/approve` and `/merge` once more."


def rebuilt_reason() -> str:
    """Why a rebuilt loop waits when its last word is on the ticket and nowhere else."""
    return "Loopline's memory was rebuilt from this ticket; the last comment above says what it waits for."


_CLASSES: dict[EscalationClass, str] = {
    "judgement": "a decision",
    "credentials": "credentials",
    "infrastructure": "a repair of the surroundings",
    "budget": "money",
    "conflict": "somebody to settle a conflict",
    "spinning": "a new idea",
    "tamper": "a yes or no to changed tests or checks",
}
_HYPOTHESES: dict[EscalationClass, str] = {
    "judgement": "The contract may ask for something that the ticket does not make clear.",
    "credentials": "A key or token has expired or was taken back.",
    "infrastructure": "Something around the work is broken, not the work itself.",
    "budget": "The task is larger than its budget, or the way that was chosen is too dear.",
    "conflict": "Somebody else works on the same branch.",
    "spinning": "The same ideas come back: what is missing is knowledge that is not in the repository.",
    "tamper": "Either the ticket needs these tests or checks changed, or they were bent to make it pass.",
}
_HINT = "`/retry <hint>` starts another attempt with your hint; the work so far is kept"
_MONEY = "`/budget +3` adds three dollars and goes on"
_OVER = "`/takeover` leaves the branch to you, with the last candidate on it"
_END = "`/close` gives the ticket up and removes the branch"
_CHOICES: dict[EscalationClass, tuple[str, ...]] = {
    "judgement": (_HINT, _OVER, _END),
    "credentials": ("`/retry` once the credentials are renewed", _OVER, _END),
    "infrastructure": ("`/retry` once it is mended", _OVER, _END),
    "budget": (_MONEY, _HINT, _OVER, _END),
    "conflict": ("`/retry` goes on from what is on the branch now", _OVER, _END),
    "spinning": (_HINT, _OVER, _END),
    "tamper": ("`/accept` says yes to these changes", _HINT, _OVER, _END),
}


def escalation_message(loop: Loop) -> str:
    """The packet: what is needed, what was tried with its evidence, the best guess, and choices."""
    assert loop.escalation
    kind = loop.escalation.kind
    failing = [e for e in loop.evidence if not e.passed][:3]
    parts = [f"**Needs you: {_CLASSES[kind]}.** {inline(loop.reason)}", "Tried:\n" + _tried(loop)]
    if loop.tampering:
        parts.append("Changed:\n" + "\n".join(f"- {shown_tampering(t)}" for t in loop.tampering[:12]))
    parts += [f"Last output of `{e.command}` (exit {e.exit_code}):\n\n```\n{fenced(e.output)}\n```" for e in failing]
    parts.append(f"My best guess: {_HYPOTHESES[kind]}")
    parts.append("Choices:\n" + "\n".join(f"- {choice}" for choice in _CHOICES[kind]))
    parts.append(f"Spent: {money_message(loop)}. An answer or an emoji on this comment shows that you have seen it.")
    return "\n\n".join(parts)


def _tried(loop: Loop) -> str:
    return "\n".join(f"- {line}" for line in loop.all_tried[-12:]) or "- nothing yet"


def reminder_message(loop: Loop) -> str:
    """Nobody answered."""
    return f"**Still needs you:** {inline(loop.reason)} The choices are in the call above."


def triage_message(loop: Loop) -> str:
    """Nobody answered for long."""
    return f"Nobody has answered, so this goes back to triage: {inline(loop.reason)}"


def budget_reason(cap: float) -> str:
    """The ticket's money is gone before a run could start."""
    return (
        f"the ticket's budget of ${cap:.2f} is used up." if cap else "the ticket's budget is $0: nothing may be spent."
    )


def parked_reason(what: str, until: float) -> str:
    """A run that waits for its provider."""
    return f"Waiting until {datetime.fromtimestamp(until, UTC):%H:%M} UTC: {inline(what)}"


def gate_could_not_run_reason(role: RunRole, summary: str) -> str:
    """A gate or checker that could not do its work."""
    return f"the {role} could not work: {inline(summary)}"


def iterations_reason(attempts: int, iterations: int) -> str:
    """Everything was tried that may be tried."""
    tries = f"{attempts} attempts" if attempts > 1 else "one attempt"
    return f"{tries} of up to {iterations} iterations did not meet the contract."


def spinning_reason(summary: str) -> str:
    """An agent that goes in circles."""
    return f"the maker went in circles: {inline(summary)}"


def tamper_reason(found: Sequence[Tampering]) -> str:
    """The work passes, and changes what it is checked by."""
    places = ", ".join(dict.fromkeys(f"`{inline(t.path)}`" for t in found[:6]))
    return f"the work meets the contract, and it changes tests or checks: {places}."
