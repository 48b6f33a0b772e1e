"""Rules for a ticket that waits for others: open blockers and open sub-issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from integrations.values import Ticket, TicketRef
from jobs.loop.commands import PostComment, WatchTickets
from jobs.loop.state import Loop, Stage
from jobs.messages import routing as messages
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.routing import start_preparing


def find_open_blockers(ticket: Ticket) -> tuple[TicketRef, ...]:
    """The tickets that have to be closed before this one is worked on: its blockers, then its sub-issues."""
    blockers = [relation.ticket for relation in ticket.relations if relation.kind == "blocked_by"]
    found = {one.id: one for one in (*blockers, *ticket.children) if not one.closed}
    return tuple(found.values())


def wait(loop: Loop, blockers: Sequence[TicketRef]) -> Decision:
    """Wait for these tickets without a run. The board's next change of one of them continues the loop."""
    names = [one.identifier for one in blockers]
    children = {one.id for one in loop.ticket.children}
    loop = replace(loop, stage=Stage.WAITING, reason=messages.waits_reason(names), waits_for=tuple(blockers))
    body = messages.waits_message(names, for_children=all(one.id in children for one in blockers))
    comment = PostComment(body=body, once=f"{loop.started_at}/waits")
    return Decision(loop, (WatchTickets(tickets=tuple(one.id for one in blockers)), comment))


def on_blockers_read(loop: Loop, cycle: Sequence[str], at: float, policy: ServicePolicy) -> Decision:
    """A waiting loop whose ticket was read again: start, wait on, or escalate tickets that wait for each other."""
    if loop.stage is not Stage.WAITING:
        return Decision(loop)
    blockers = find_open_blockers(loop.ticket)
    if cycle and blockers:
        return escalate(replace(loop, waits_for=()), "judgement", messages.cycle_reason(cycle), at)
    if blockers:
        reason = messages.waits_reason([one.identifier for one in blockers])
        watch = WatchTickets(tickets=tuple(one.id for one in blockers))
        return Decision(replace(loop, waits_for=blockers, reason=reason), (watch,))
    names = [one.identifier for one in loop.waits_for]
    return start_preparing(loop, policy, PostComment(body=messages.unblocked_message(names)))
