"""Rules for a ticket that waits for others: open blockers and sub-issues, parts, files, reviews of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from integrations.values import Ticket, TicketRef
from jobs.loop.commands import Command, PostComment, WatchTickets
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.loop.wait_state import WaitState
from jobs.messages import waiting
from jobs.workflow.decision import Decision


def find_open_blockers(ticket: Ticket, *, part_of: str = "") -> tuple[TicketRef, ...]:
    """The tickets that have to be closed before this one is worked on: its blockers, then its sub-issues.

    The parts of a ticket (`part_of`) are worked on side by side; the relations among them are the order of merges."""
    beside = {one.id for one in ticket.siblings} if part_of else set()
    blockers = [relation.ticket for relation in ticket.relations if relation.kind == "blocked_by"]
    found = {one.id: one for one in (*blockers, *ticket.children) if not one.closed and one.id not in beside}
    return tuple(found.values())


def has_released(before: Stage, after: Stage) -> bool:
    """Whether a loop that changes its stage in this way no longer holds others up: its review or its work has ended."""
    return any(before in stages and after not in stages for stages in (OPEN, AT_WORK | OPEN))


def wait_for_tickets(loop: Loop, blockers: Sequence[TicketRef], at: float) -> Decision:
    """Wait for these tickets without a run. The board's next change of one of them continues the loop."""
    return wait(replace(loop, wait=WaitState()), blockers, at)


def wait(loop: Loop, waits_for: Sequence[TicketRef], at: float, *commands: Command) -> Decision:
    """Wait for the cause in `loop.wait`, watching these tickets; the ticket gets one comment for each cause."""
    loop = explain(replace(loop, stage=Stage.WAITING, waits_for=tuple(waits_for)), at)
    body = waiting.waits_message(loop, at)
    name = "waits" if loop.wait.kind == "tickets" else f"waits/{loop.wait.kind}"
    comment = PostComment(body=body, once=f"{loop.started_at}/{name}")
    return Decision(loop, (*commands, *watch(waits_for), comment))


def explain(loop: Loop, at: float) -> Loop:
    """The waiting loop with the reason of its wait as of now."""
    return replace(loop, reason=waiting.explain_wait(loop, at))


def watch(tickets: Sequence[TicketRef]) -> tuple[Command, ...]:
    """The command that lets the next change of these tickets continue the loop."""
    return (WatchTickets(tickets=tuple(one.id for one in tickets)),) if tickets else ()
