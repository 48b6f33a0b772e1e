"""Rules for an agent that asks a person or proposes a ticket. The run of a question waits without a slot until the
answer, or the end of the work."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from integrations.agent_events import PersonAsked, TicketProposed
from jobs.loop.commands import AnswerRun, CreateTicket, MoveTicket, PostComment, SetNeedsHuman, StopRun
from jobs.loop.comments import Guidance
from jobs.loop.state import Escalation, Loop, Stage
from jobs.messages.escalations import agent_question_reason, escalation_message
from jobs.messages.follow_ups import proposal_body, proposal_title
from jobs.workflow.decision import Decision
from jobs.workflow.run import awaits_answer, is_current, restart_calls

MOST_PROPOSALS = 5
"""Tickets that the agents of one ticket can propose."""


def on_person_asked(loop: Loop, event: PersonAsked) -> Decision:
    """Put the question of the current run to people; its escalation is repeated like any other."""
    if not is_current(loop, event.run_id, event.generation) or loop.stage is Stage.NEEDS_HUMAN:
        return Decision(loop)
    escalation = Escalation(
        kind="judgement",
        at=event.at,
        question=event.question,
        choices=event.choices,
        run_id=event.run_id,
        request_id=event.request_id,
        stage=loop.stage,
    )
    reason = agent_question_reason(event.question)
    loop = replace(loop, stage=Stage.NEEDS_HUMAN, reason=reason, parked_until=0.0, escalation=escalation)
    comment = PostComment(body=escalation_message(loop), once=f"question/{event.request_id}")
    return Decision(loop, (comment, SetNeedsHuman(needed=True), MoveTicket(column="needs_human")))


def answer_question(loop: Loop, answer: Guidance) -> Decision:
    """Continue the run with this answer, which is guidance for all later briefs too."""
    asked = loop.escalation
    assert asked
    continued = replace(
        restart_calls(loop), stage=asked.stage, reason="", escalation=None, comments=loop.comments.add(answer)
    )
    command = AnswerRun(run_id=asked.run_id, request_id=asked.request_id, guidance=answer)
    return Decision(continued, (command, SetNeedsHuman(needed=False), MoveTicket(column="working")))


def release_run(before: Loop, decision: Decision) -> Decision:
    """The decision that stops a run whose question is obsolete, because the work goes on without it."""
    if not awaits_answer(before) or is_current(decision.loop, before.run_id, before.generation):
        return decision
    stop = StopRun(run_id=before.run_id)
    return decision if stop in decision.commands else replace(decision, commands=(stop, *decision.commands))


def proposal_key(title: str) -> str:
    """The key of a proposed ticket, equal for titles that differ in case only."""
    return f"proposal/{hashlib.sha256(proposal_title(title).casefold().encode()).hexdigest()[:16]}"


def on_ticket_proposed(loop: Loop, event: TicketProposed) -> Decision:
    """File the proposal in triage, once per title; it starts nothing."""
    title, key, known = proposal_title(event.title), proposal_key(event.title), loop.proposed
    if not is_current(loop, event.run_id, event.generation) or key in known or len(known) >= MOST_PROPOSALS:
        return Decision(loop)
    command = CreateTicket(key=key, title=title, body=proposal_body(loop, event.body))
    return Decision(replace(loop, proposed=(*known, key)), (command,))
