"""Rules for escalations: raised with attempts and choices, repeated while unacknowledged, then left to triage.
Loopline never changes the assignee."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import EscalationUnanswered, TicketReacted
from jobs.loop.commands import Command, MoveTicket, PostComment, SetNeedsHuman
from jobs.loop.state import Attempt, ClosedAttempt, Escalation, EscalationClass, Loop, Stage
from jobs.messages.escalations import escalation_message, reminder_message, triage_message
from jobs.messages.lines import approach_line
from jobs.workflow.decision import Decision, ServicePolicy

MAX_RAISED = 3


def escalate(
    loop: Loop, kind: EscalationClass, reason: str, at: float, *commands: Command, question: str = ""
) -> Decision:
    """Stop the loop and ask a person; the comment lists the attempts, or puts the agent's `question`."""
    escalation = Escalation(kind=kind, at=at, since=at, question=question)
    loop = replace(loop, stage=Stage.NEEDS_HUMAN, reason=reason, escalation=escalation)
    comment = PostComment(body=escalation_message(loop), escalates=True)
    return Decision(loop, (*commands, comment, SetNeedsHuman(needed=True), MoveTicket(column="needs_human")))


def escalate_environment(loop: Loop, reason: str, at: float) -> Decision:
    """Report a problem of the environment, once: a restart that finds the same one keeps its escalation."""
    is_known = loop.preflight.reported == reason and loop.escalation
    before = loop.escalation
    decision = escalate(replace(loop, preflight=replace(loop.preflight, reported=reason)), "environment", reason, at)
    if not is_known:
        return decision
    silent = tuple(command for command in decision.commands if not isinstance(command, PostComment))
    return Decision(replace(decision.loop, escalation=before), silent)


def close_attempt(loop: Loop, rejected: str, *, accepted: bool = False) -> Loop:
    """Move the current attempt to the record, which is part of the next attempt's brief. `accepted` by the checker."""
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
        accepted=accepted,
    )
    fresh = Attempt(number=loop.attempt.number, began_usd=loop.spend.usage.cost_usd)
    return replace(loop, attempt=fresh, attempts=(*loop.attempts, closed))


def acknowledge(loop: Loop) -> Loop:
    """Mark the escalation as acknowledged, so that it is not raised again."""
    if loop.stage is not Stage.NEEDS_HUMAN or not loop.escalation or loop.escalation.acknowledged:
        return loop
    return replace(loop, escalation=replace(loop.escalation, acknowledged=True))


def on_ticket_reacted(loop: Loop, event: TicketReacted) -> Decision:
    """An emoji on a comment of Loopline acknowledges the escalation."""
    if event.author is None or not event.author.may_steer:
        return Decision(loop)
    return Decision(acknowledge(loop))


def on_escalation_unanswered(loop: Loop, event: EscalationUnanswered, policy: ServicePolicy) -> Decision:
    """Raise the escalation again; after `MAX_RAISED` times move the ticket to triage. Where several tickets have its
    cause, or the team has no such column, the triage inbox shows the cause in one ticket instead."""
    if loop.stage is not Stage.NEEDS_HUMAN or event.generation != loop.generation:
        return Decision(loop)
    if not loop.escalation or loop.escalation.acknowledged:
        return Decision(loop)
    raised = loop.escalation.raised + 1
    team = policy.teams.get(loop.ticket.team)
    listed = raised > MAX_RAISED and (event.shared or team is None or "triage" not in team.columns)
    loop = replace(loop, escalation=replace(loop.escalation, raised=raised, at=event.at, listed=listed))
    if raised <= MAX_RAISED:
        return Decision(loop, (PostComment(body=reminder_message(loop)),))
    triage = () if listed else (MoveTicket(column="triage"),)
    return Decision(loop, (PostComment(body=triage_message(loop)), *triage))
