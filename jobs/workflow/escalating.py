"""Rules of the calls for a person: raised once with what was tried and choices, again when nobody answers, then left
to triage. The human assignee stays who it is; Loopline never assigns."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import EscalationUnanswered, TicketReacted
from jobs.loop.commands import Command, MoveTicket, PostComment, SetNeedsHuman
from jobs.loop.state import Attempt, ClosedAttempt, Escalation, EscalationClass, Loop, Stage
from jobs.messages.escalations import escalation_message, reminder_message, triage_message
from jobs.messages.lines import approach_line
from jobs.workflow.decision import Decision, ServicePolicy

MOST_RAISED = 3
"""Once, and again at most twice."""


def escalate(loop: Loop, kind: EscalationClass, reason: str, at: float, *commands: Command) -> Decision:
    """The loop stops and asks a person, with what was tried."""
    loop = replace(loop, stage=Stage.NEEDS_HUMAN, reason=reason, escalation=Escalation(kind=kind, at=at))
    ask = PostComment(body=escalation_message(loop))
    return Decision(loop, (*commands, ask, SetNeedsHuman(needed=True), MoveTicket(column="needs_human")))


def close_attempt(loop: Loop, rejected: str) -> Loop:
    """The attempt that ends here joins the record, from which the next one starts."""
    if not loop.attempt.iteration:
        return loop
    closed = ClosedAttempt(
        number=len(loop.attempts) + 1,
        approach=loop.attempt.approach or approach_line(loop.attempt.number),
        tried=loop.attempt.tried,
        summary=loop.candidate.summary[:1000],
        rejected=rejected[:1000],
        head_sha=loop.candidate.head_sha,
        cost_usd=round(loop.spend.usage.cost_usd - loop.attempt.began_usd, 6),
    )
    fresh = Attempt(number=loop.attempt.number, began_usd=loop.spend.usage.cost_usd)
    return replace(loop, attempt=fresh, attempts=(*loop.attempts, closed))


def acknowledge(loop: Loop) -> Loop:
    """Somebody has seen the call, so it is not raised again."""
    if loop.stage is not Stage.NEEDS_HUMAN or not loop.escalation or loop.escalation.acknowledged:
        return loop
    return replace(loop, escalation=replace(loop.escalation, acknowledged=True))


def on_ticket_reacted(loop: Loop, event: TicketReacted) -> Decision:
    """An emoji on one of our comments says: seen."""
    if event.author is None or not event.author.may_steer or acknowledge(loop) is loop:
        return Decision(loop)
    return Decision(acknowledge(loop))


def on_escalation_unanswered(loop: Loop, event: EscalationUnanswered, policy: ServicePolicy) -> Decision:
    """Raise it again; when that has been done often enough, hand the ticket to whoever sorts the team's tickets."""
    if loop.stage is not Stage.NEEDS_HUMAN or event.generation != loop.generation:
        return Decision(loop)
    if not loop.escalation or loop.escalation.acknowledged:
        return Decision(loop)
    raised = loop.escalation.raised + 1
    loop = replace(loop, escalation=replace(loop.escalation, raised=raised, at=event.at))
    if raised <= MOST_RAISED:
        return Decision(loop, (PostComment(body=reminder_message(loop)),))
    triage: tuple[Command, ...] = ()
    if "triage" in policy.teams[loop.ticket.team].columns:
        triage = (MoveTicket(column="triage"),)
    return Decision(loop, (PostComment(body=triage_message(loop)), *triage))
