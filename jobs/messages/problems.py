"""Tickets of the triage inbox about what Loopline could not handle. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.loop.problem import Problem, ProblemKind
from jobs.loop.state import EscalationClass
from jobs.messages.escalations import ESCALATION_TITLES
from jobs.messages.notifications import plain
from jobs.messages.text import inline

MOST_LISTED = 20
_REASON_CHARACTERS = 500
CLOSING = "Loopline adds a comment when this is resolved by itself."
"""The last line of each ticket, by which it is found again after a loss of Redis."""
_TITLES: Mapping[ProblemKind, str] = {
    "escalation": "Tickets wait for an answer",
    "dead_letter": "Loopline could not process",
    "automation": "Automation failed",
    "declarations": "Automations cannot be used",
    "credentials": "Credentials refused by",
    "notification": "Notifications are not delivered to",
    "more": "Further problems of Loopline",
    "lost": "",
}
CREDENTIALS_OF: Mapping[str, str] = {"provider": "the tracker or the code host", "model": "the model provider"}
_FIXES: Mapping[ProblemKind, str] = {
    "escalation": "Answer on one of the tickets. `/retry` on each of them starts it again.",
    "dead_letter": "Fix the cause, then run `loopline redrive <id>`, or `loopline redrive --all`, to retry.",
    "automation": "Fix the cause, then comment `/run <name>` on a ticket of the repository or wait for its next run.",
    "declarations": "Correct the file on the base branch. The other automations of the repository still run.",
    "credentials": (
        "Renew the key, token or account and restart Loopline. Work that needs it waits and has not failed."
    ),
    "notification": "Correct `LOOPLINE_NOTIFY`, or make the service available. Tickets are not affected.",
}
MORE_REASON = "There are more causes than tickets for them. Each gets its own ticket once others are resolved."
_AFFECTED: Mapping[ProblemKind, str] = {"dead_letter": "Dead letters", "declarations": "Problems", "more": "Causes"}


def name_letter(identifier: str, letter_id: str) -> str:
    """A dead letter by its ticket, if it has one, and its id."""
    return inline(f"{identifier} ({letter_id})" if identifier else letter_id)


def problem_title(problem: Problem) -> str:
    """One line, as 'Automation failed: acme/shop: ci-triage'."""
    title, subject = _TITLES[problem.kind], inline(problem.subject, 120)
    if problem.kind == "escalation":
        kind: EscalationClass = problem.subject  # type: ignore[assignment]
        return f"{title}: {ESCALATION_TITLES.get(kind, subject)}"
    if problem.kind in ("automation", "declarations"):
        return f"{title}: {subject}"
    return f"{title} {subject}".strip()


def problem_body(problem: Problem) -> str:
    """Reason, fix, and the tickets that have it."""
    parts = [inline(problem.reason, _REASON_CHARACTERS), _FIXES.get(problem.kind, "")]
    parts += [list_affected(problem)] if problem.affected else []
    parts.append(CLOSING)
    return "\n\n".join(filter(None, parts))


def list_affected(problem: Problem) -> str:
    """The affected ones, as a bounded list with their number."""
    names, shown = problem.affected, problem.affected[:MOST_LISTED]
    lines = [f"- {inline(name, 300)}" for name in shown]
    more = [f"- … and {len(names) - len(shown)} more"] if len(names) > len(shown) else []
    return "\n".join([f"{_AFFECTED.get(problem.kind, 'Tickets')} ({len(names)}):", "", *lines, *more])


def again_message(problem: Problem) -> str:
    """On the ticket of a problem that was resolved, or cancelled by a person."""
    return f"**This occurs again.** {inline(problem.reason, _REASON_CHARACTERS)}"


def resolved_message(problem: Problem) -> str:
    return f"**Resolved.** Loopline no longer finds this problem: {inline(problem_title(problem), 300)}."


def problem_notification(problem: Problem) -> str:
    """The plain text for targets beyond the tracker."""
    number, reason = len(problem.affected), plain(problem.reason, _REASON_CHARACTERS)
    return f"{reason} ({number} affected)" if number > 1 else reason
