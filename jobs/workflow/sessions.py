"""Rules for agent sessions: a further door to the same loop, and the place where it is shown.

A delegation hands the ticket over like a move to the agent column. Messages in a session are comments.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.events import SessionQuiet, TicketCommented, TicketDelegated, TicketMentioned, TicketUndelegated
from integrations.texts import cut
from integrations.values import Person, Ticket
from jobs.loop.commands import CloseProgressComment, Command, OpenSession, PostComment, SendHeartbeat, SetDelegate
from jobs.loop.comments import GUIDANCE_CHARACTERS, Guidance
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import sessions as messages
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import hand_over, is_idle_or_closed, stop
from jobs.workflow.mentions import hear_mention, offer_with, withdraw

_ACCEPTING = {messages.TAKE.casefold(), "yes", "ok", "take this", "please take it"}
_DECLINING = {messages.DECLINE.casefold(), "no thanks", "/stop"}
_ANSWERS = {label.casefold(): answer for label, answer in messages.ANSWERS.items()}


def on_ticket_delegated(loop: Loop, event: TicketDelegated, policy: ServicePolicy) -> Decision:
    """Hand the ticket over, or show a loop that is at work in the new session."""
    if event.ticket is None or event.session_id == loop.session_id:
        return Decision(loop)
    loop, opening = _attach(loop, event, event.ticket)
    if event.ticket.team not in policy.teams:
        refusal = PostComment(body=messages.not_served_message(event.ticket.team), failed=True)
        return Decision(loop, (*opening, refusal))
    if loop.stage in OPEN:
        return Decision(loop, (*opening, PostComment(body=messages.in_review_message(loop))))
    if not is_idle_or_closed(loop):
        return Decision(loop, opening)
    if event.author is None or not policy.may_start(event.author):
        return Decision(loop, (*opening, offer_with(messages.not_permitted_message(event.author))))
    decision = keep_session(loop, hand_over(loop, event.at, policy))
    return Decision(decision.loop, (*opening, *decision.commands))


def on_ticket_mentioned(loop: Loop, event: TicketMentioned, policy: ServicePolicy) -> Decision:
    """Answer a question on a ticket that Loopline does not work on, or offer to take it; otherwise the comment follows
    as an event of its own."""
    if event.ticket is None or event.session_id == loop.session_id:
        return Decision(loop)
    loop, opening = _attach(loop, event, event.ticket)
    if loop.stage is not Stage.IDLE:
        return Decision(loop, opening)
    loop = replace(loop, comments=replace(loop.comments, last_id=event.comment_id, last_at=event.at))
    if event.ticket.team not in policy.teams:
        refusal = PostComment(body=messages.not_served_message(event.ticket.team), failed=True)
        return Decision(loop, (*opening, refusal))
    author = event.author.name if event.author else ""
    guidance = Guidance(author=author, text=cut(event.body, GUIDANCE_CHARACTERS), comment_id=event.comment_id)
    decision = hear_mention(loop, guidance, event.author, policy)
    return Decision(decision.loop, (*opening, *decision.commands))


def _attach(loop: Loop, event: TicketDelegated | TicketMentioned, ticket: Ticket) -> tuple[Loop, tuple[Command, ...]]:
    """The loop shown in this session, and the commands that begin it. One place shows the progress."""
    moves = bool(loop.generation) and not loop.session_id
    closing = (CloseProgressComment(generation=loop.generation),) if moves else ()
    loop = replace(loop, ticket=ticket, session_id=event.session_id, session_root=event.root_id)
    return loop, (OpenSession(session_id=event.session_id), *closing)


def on_offer_answered(loop: Loop, event: TicketCommented, policy: ServicePolicy) -> Decision | None:
    """A message to an offer; None if none is open, or the message is another command."""
    answer = event.body.strip().rstrip(".!").casefold()
    if loop.stage is not Stage.IDLE or not loop.session_id or (answer.startswith("/") and answer not in _DECLINING):
        return None
    if event.author is None or event.comment_id == loop.comments.last_id or loop.ticket.team not in policy.teams:
        return Decision(loop)
    loop = replace(loop, comments=replace(loop.comments, last_id=event.comment_id, last_at=event.at))
    if answer in _DECLINING:
        return withdraw(loop, PostComment(body=messages.DECLINED_MESSAGE))
    if answer in _ACCEPTING:
        return _take(loop, event.author, event.at, policy)
    if not event.session_id and (not event.parent_id or event.parent_id != loop.session_root):
        return Decision(loop)
    text = cut(event.body, GUIDANCE_CHARACTERS)
    guidance = Guidance(author=event.author.name, text=text, comment_id=event.comment_id)
    return hear_mention(loop, guidance, event.author, policy)


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
    session = decision.loop if decision.loop.session_id else before
    after = replace(decision.loop, session_id=session.session_id, session_root=session.session_root)
    delegate, commands = after.ticket.delegate, tuple(decision.commands)
    if after.stage is Stage.PREPARING and after.generation > before.generation and delegate is None:
        commands = (*commands, SetDelegate(ours=True))
    if after.stage is Stage.STOPPED and before.stage is not Stage.STOPPED:
        commands = (*commands, SetDelegate(ours=False))
    return Decision(after, commands)
