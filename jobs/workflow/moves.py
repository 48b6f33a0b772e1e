"""Rules for moved tickets: hand-over, stop, cancellation, another team. Only people with permission start or stop work
by a move; a move by an integration or an automation stops nothing."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import TicketMoved
from integrations.ports.tracker import ColumnRole
from integrations.values import Person, Ticket
from jobs.loop.commands import MoveTicket, PostComment, SetNeedsHuman
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages import replies
from jobs.messages import routing as messages
from jobs.workflow.agreement import is_active, keep_content
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import acknowledge
from jobs.workflow.finding_reports import starts_itself
from jobs.workflow.hand_over import awaits_own_move, end, hand_over, has_left_loop, is_idle_or_closed, stop
from jobs.workflow.waits import on_wait_read


def on_ticket_moved(loop: Loop, event: TicketMoved, policy: ServicePolicy) -> Decision:
    """The ticket is in another column or team, moved by a person, an integration or Loopline."""
    if event.ticket is None:
        return Decision(loop)
    ticket, before = event.ticket, loop.ticket
    if reason := _find_reason_to_leave(loop, ticket, policy):
        return _leave(replace(loop, ticket=ticket), reason, event.at, policy)
    role = policy.role_of(ticket)
    waits = awaits_own_move(loop, ticket, role, moving=event.moving)
    starts = role == "agent" and is_idle_or_closed(loop) and not waits
    loop = replace(loop, ticket=keep_content(loop, ticket) if is_active(loop) and not starts else ticket)
    if role is None and (ticket.cancelled or ticket.duplicate):
        return _end(loop, event, policy)
    if role == "agent":
        return _start(loop, event, policy) if starts else Decision(loop)
    if is_stranger(event.by, policy):
        return _put_back(loop, event, policy) if has_left_loop(loop, role) and not waits else Decision(loop)
    if role not in {"needs_human", "triage"}:
        loop = acknowledge(loop)
    if role is None and loop.policy.tracker.is_active(ticket.column):
        return Decision(loop)
    if has_left_loop(loop, role) and not waits:
        if before.team != ticket.team:
            return Decision(loop, (MoveTicket(column=_find_home(loop)),))  # the tracker chose a column of the new team
        if is_automation(event.by):
            return Decision(loop)
        return stop(loop, replies.moved_reason(ticket.column), event.at, policy, moves=False)
    return on_wait_read(loop, event, policy)


def is_automation(by: Person | None) -> bool:
    """Whether an app, an integration or a rule of the board moved the ticket, not a person."""
    return by is not None and by.is_bot


def is_stranger(by: Person | None, policy: ServicePolicy) -> bool:
    """Whether a person without permission moved the ticket."""
    return by is not None and not by.is_bot and not by.is_us and not policy.may_start(by)


def may_hand_over(event: TicketMoved, policy: ServicePolicy) -> bool:
    """Whether the move into the agent column starts work.

    Where its author is not known, or is a rule of the board, the ticket's assignee or creator counts. Apps and
    integrations other than Loopline have no permission. A part was handed over with the ticket that it is a part of."""
    by, ticket = event.by, event.ticket
    if ticket is None:
        return False
    if event.part_of and (by is None or by.is_us):
        return True
    if by is None or (by.is_us and by.is_bot) or (by.is_bot and not by.id):
        return any(person and policy.may_start(person) for person in (ticket.assignee, ticket.creator))
    return policy.may_start(by)


def _start(loop: Loop, event: TicketMoved, policy: ServicePolicy) -> Decision:
    if may_hand_over(event, policy) or starts_itself(loop, event):
        decision = hand_over(replace(loop, part_of=event.part_of or loop.part_of), event.at, policy)
        return on_wait_read(decision.loop, event, policy) if event.cycle else decision
    mover = event.by.id or event.by.name if event.by else ""
    body = messages.not_started_message(event.by, policy.starters, goes_back=bool(event.before_id))
    comment = PostComment(body=body, once=f"not-started/{mover}")
    back = MoveTicket(column="agent", only_from="agent", back_to=event.before_id)
    return Decision(loop, (comment, back) if event.before_id else (comment,))


def _put_back(loop: Loop, event: TicketMoved, policy: ServicePolicy) -> Decision:
    mover = event.by.id if event.by else ""
    comment = PostComment(body=messages.not_stopped_message(event.by, policy.starters), once=f"not-stopped/{mover}")
    return Decision(loop, (comment, MoveTicket(column=_find_home(loop))))


def _find_home(loop: Loop) -> ColumnRole:
    """The role of the column that the ticket belongs in at this stage."""
    if loop.stage in AT_WORK | {Stage.CI}:
        return "working"
    return "review" if loop.stage in OPEN else "needs_human"


def _end(loop: Loop, event: TicketMoved, policy: ServicePolicy) -> Decision:
    """The ticket was cancelled or marked as a duplicate: the work ends, its branch and pull request too."""
    if is_stranger(event.by, policy):
        return _put_back(loop, event, policy) if has_left_loop(loop, None) else Decision(loop)
    ticket = loop.ticket
    originals = [relation.ticket.identifier for relation in ticket.relations if relation.kind == "duplicate_of"]
    original = originals[0] if ticket.duplicate and originals else ""
    comment = PostComment(body=messages.ended_message(loop, original, is_duplicate=ticket.duplicate))
    reason = messages.ended_reason(original, is_duplicate=ticket.duplicate)
    return end(loop, reason, event.at, SetNeedsHuman(needed=False), comment)


def _find_reason_to_leave(loop: Loop, ticket: Ticket, policy: ServicePolicy) -> str:
    """Why the ticket's team ends the work, empty if it does not."""
    team = policy.teams.get(ticket.team)
    if team is None:
        return messages.left_team_reason(ticket.team)
    is_active = loop.stage in AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}
    moved = is_active and loop.ticket.team not in {"", ticket.team}
    if moved and loop.workspace.repository and loop.workspace.repository not in team.repositories:
        return messages.other_repository_reason(ticket.team, team.repositories)
    return ""


def _leave(loop: Loop, reason: str, at: float, policy: ServicePolicy) -> Decision:
    """Stop without a change on the board: the team's columns and labels are not Loopline's."""
    if loop.stage not in AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}:
        return Decision(loop)
    decision = stop(loop, reason, at, policy)
    kept = [one for one in decision.commands if not isinstance(one, PostComment | MoveTicket | SetNeedsHuman)]
    return Decision(decision.loop, (*kept, PostComment(body=messages.left_team_message(reason))))
