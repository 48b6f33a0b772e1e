"""Creates tickets: follow-up work, and the parts of a ticket that names several repositories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations.errors import Rejected
from integrations.events import Event, TicketCreated
from integrations.values import NewRelation, TicketId
from jobs.loop.commands import CreateTicket

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def create_ticket(command: CreateTicket, ctx: Context) -> Sequence[Event]:
    """Create the ticket, idempotent by its key. Another account's ticket under this id is not used."""
    team = command.team or ctx.ticket.team
    columns = ctx.world.policy.teams[team].board_columns() if team in ctx.world.policy.teams else {}
    related = () if command.as_part else (NewRelation(kind="related", ticket_id=ctx.ticket.id),)
    created = ctx.world.tracker.create_ticket(
        team,
        command.title,
        command.body,
        TicketId(ctx.create_id("ticket", command.key)),
        column=columns.get(command.column, ""),
        parent_id=ctx.ticket.id if command.as_part else "",
        relations=(*related, *command.relations),
        labels=command.labels,
    )
    if created.creator and not created.creator.is_us:
        raise Rejected(f"{created.identifier} has the id of a ticket of Loopline and was created by another account")
    return (TicketCreated(**ctx.build_event_fields(), key=command.key, created=created.to_reference()),)
