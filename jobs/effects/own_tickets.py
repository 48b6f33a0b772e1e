"""Tickets that Loopline writes by derived ids: those of problems, of the digest, and of the memory of automations."""

from __future__ import annotations

from integrations.errors import NotFound, Rejected, Unauthorized
from integrations.values import Ticket, TicketId
from jobs.effects.world import World
from jobs.loop.derived_ids import derive_id

MOST_DELETED = 20
"""Tickets of one name that people deleted, each of which costs a request."""


def find_own_ticket(name: str, world: World) -> tuple[Ticket | None, TicketId]:
    """The ticket of this name, or the id to create it with. One that people deleted is left alone."""
    for deleted in range(MOST_DELETED):
        ticket_id = TicketId(derive_id(name, str(deleted)))
        try:
            found = world.tracker.fetch(ticket_id)
        except Unauthorized:
            raise
        except NotFound:
            return None, ticket_id
        if not found.trashed and (found.creator is None or found.creator.is_us):
            return found, ticket_id
    raise Rejected(f"the ticket {name} was deleted {MOST_DELETED} times; restore one of its tickets")
