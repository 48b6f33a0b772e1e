"""Tickets that wait for each other. Called by `jobs.effects.gather` for a ticket that is about to wait."""

from __future__ import annotations

from integrations.errors import NotFound
from integrations.values import Identifier, Ticket, TicketId
from jobs.effects.world import World
from jobs.workflow.blockers import find_open_blockers

MOST_READ = 5
"""Tickets that are read for it; those of loops are known."""


def find_cycle(ticket: Ticket, world: World) -> tuple[Identifier, ...]:
    """The chain of open blockers that leads back to the ticket, by identifier; empty without one."""
    paths: list[tuple[Ticket, tuple[Identifier, ...]]] = [(ticket, (ticket.identifier,))]
    seen, reads = {ticket.id}, 0
    while paths:
        current, chain = paths.pop(0)
        for blocker in find_open_blockers(current):
            if blocker.id == ticket.id:
                return (*chain, ticket.identifier)
            if blocker.id in seen:
                continue
            seen.add(blocker.id)
            loop = world.store.load(TicketId(blocker.id))
            if loop is None and (reads := reads + 1) > MOST_READ:
                continue
            try:
                paths.append((loop.ticket if loop else world.tracker.fetch(blocker.id), (*chain, blocker.identifier)))
            except NotFound:
                continue
    return ()
