"""Rules for agent sessions: a further door to the same loop, and the place where it is shown.

A delegation hands the ticket over like a move to the agent column. Messages in a session are comments.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.events import SessionQuiet, TicketCommented, TicketDelegated, TicketMentioned, TicketUndelegated
from integrations.values import Person, Ticket
from jobs.loop.commands import CloseProgressComment, Command, OpenSession, PostComment, SendHeartbeat, SetDelegate
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import sessions as messages
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import hand_over, is_idle_or_closed, stop

_ACCEPTING = {messages.TAKE.casefold(), "yes", "ok", "take this", "please take it"}
_DECLINING = {messages.DECLINE.casefold(), "no thanks", "/stop"}
_ANSWERS = {label.casefold(): answer for label, answer in messages.ANSWERS.items()}


def on_ticket_delegated(loop: Loop, event: TicketDelegated, policy: ServicePolicy) -> Decision:
    """Hand the ticket over, or show a loop that is at work in the new session."""
    if event.ticket is None or event.session_id == loop.session_id:
        return Decision(loop)
    loop, opening = _attach(loop, event.ticket, event.session_id)
    if event.ticket.team not in policy.teams:
        refusal = PostComment(body=messages.not_served_message(event.ticket.team), failed=True)
        return Decision(loop, (*opening, refusal))
    if loop.stage in OPEN:
        return Decision(loop, (*opening, PostComment(body=messages.in_review_message(loop))))
    if not is_idle_or_closed(loop):
        return Decision(loop, opening)
    if event.author is None or not policy.may_start(event.author):
        return Decision(loop, (*opening, _offer(messages.not_permitted_message(event.author))))
    decision = keep_session(loop, hand_over(loop, event.at, policy))
    return Decision(decision.loop, (*opening, *decision.commands))


def on_ticket_mentioned(loop: Loop, event: TicketMentioned, policy: ServicePolicy) -> Decision:
    """Offer to take a ticket that Loopline does not work on; otherwise the comment follows as an event of its own."""
    if event.ticket is None or event.session_id == loop.session_id:
        return Decision(loop)
    loop, opening = _attach(loop, event.ticket, event.session_id)
    if loop.stage is not Stage.IDLE:
        return Decision(loop, opening)
    loop = replace(loop, comments=replace(loop.comments, last_id=event.comment_id, last_at=event.at))
    if event.ticket.team not in policy.teams:
        refusal = PostComment(body=messages.not_served_message(event.ticket.team), failed=True)
        return Decision(loop, (*opening, refusal))
    return Decision(loop, (*opening, _offer(messages.offer_message(loop.identifier))))


def _attach(loop: Loop, ticket: Ticket, session_id: str) -> tuple[Loop, tuple[Command, ...]]:
    """The loop shown in this session, and the commands that begin it. One place shows the progress."""
    moves = bool(loop.generation) and not loop.session_id
    closing = (CloseProgressComment(generation=loop.generation),) if moves else ()
    return replace(loop, ticket=ticket, session_id=session_id), (OpenSession(session_id=session_id), *closing)


def _offer(body: str) -> PostComment:
    return PostComment(body=body, choices=(messages.TAKE, messages.DECLINE))


def on_offer_answered(loop: Loop, event: TicketCommented, policy: ServicePolicy) -> Decision | None:
    """A message to an offer; None if none is open, or the message is another command."""
    answer = event.body.strip().rstrip(".!").casefold()
    if loop.stage is not Stage.IDLE or not loop.session_id or (answer.startswith("/") and answer not in _DECLINING):
        return None
    if event.author is None or event.comment_id == loop.comments.last_id or loop.ticket.team not in policy.teams:
        return Decision(loop)
    loop = replace(loop, comments=replace(loop.comments, last_id=event.comment_id, last_at=event.at))
    if answer in _DECLINING:
        return Decision(loop, (PostComment(body=messages.DECLINED_MESSAGE),))
    if answer in _ACCEPTING:
        return _take(loop, event.author, event.at, policy)
    return Decision(loop, (_offer(messages.offer_message(loop.identifier)),)) if event.session_id else Decision(loop)


def _take(loop: Loop, author: Person, at: float, policy: ServicePolicy) -> Decision:
    if not policy.may_start(author):
        return Decision(loop, (PostComment(body=messages.not_allowed_to_take_message(author.name)),))
    return hand_over(loop, at, policy)


def on_ticket_undelegated(loop: Loop, event: TicketUndelegated, policy: ServicePolicy) -> Decision:
    """A person took the ticket back, or gave it to another app."""
    if event.ticket is None or not loop.session_id:
        return Decision(loop)
    loop = replace(loop, ticket=event.ticket)
    if loop.stage not in AT_WORK | {Stage.ASKING}:
        return Decision(loop)
    return stop(loop, messages.undelegated_reason(event.by), event.at, policy)


def on_session_quiet(loop: Loop, event: SessionQuiet) -> Decision:
    """Send a heartbeat while Loopline works, so that the session does not become stale, or is active again."""
    if loop.stage not in AT_WORK | {Stage.CI} or event.session_id != loop.session_id:
        return Decision(loop)
    return Decision(loop, (SendHeartbeat(session_id=loop.session_id, body=messages.working_message(loop)),))


def read_choice(loop: Loop, event: TicketCommented) -> TicketCommented:
    """The event with the comment that a clicked choice stands for."""
    answer = _ANSWERS.get(event.body.strip().casefold()) if loop.session_id else None
    return replace(event, body=answer) if answer else event


def keep_session(before: Loop, decision: Decision) -> Decision:
    """The decision with the loop's session, and with the delegate: Loopline where there is none when work
    starts, none once the work is stopped."""
    if not before.session_id:
        return decision
    after = replace(decision.loop, session_id=decision.loop.session_id or before.session_id)
    delegate, commands = after.ticket.delegate, tuple(decision.commands)
    if after.stage is Stage.PREPARING and after.generation > before.generation and delegate is None:
        commands = (*commands, SetDelegate(ours=True))
    if after.stage is Stage.STOPPED and before.stage is not Stage.STOPPED:
        commands = (*commands, SetDelegate(ours=False))
    return Decision(after, commands)
