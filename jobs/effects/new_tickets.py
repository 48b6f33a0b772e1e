"""Tickets that Loopline creates: follow-up work, and the parts of a ticket that names several repositories.

The pull requests of the parts link each other, and are merged in the order of the parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations.errors import Rejected
from integrations.events import Event
from integrations.values import NewRelation, Ticket, TicketId
from integrations.workload_events import TicketCreated
from jobs.effects.world import World
from jobs.loop.commands import CreateTicket
from jobs.loop.derived_ids import derive_id
from jobs.loop.state import Loop, Stage
from jobs.messages.parts import part_link_text
from jobs.messages.waiting import merged_first_reason
from jobs.workflow.blockers import find_open_blockers

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def find_whole(ticket: Ticket, world: World) -> str:
    """The identifier of the ticket that this one was created for as a part; empty for any other."""
    whole = world.store.load(ticket.parent.id) if ticket.parent else None
    if whole is None or not any(ticket.id == derive_id(whole.ticket.id, "ticket", part.key) for part in whole.parts):
        return ""
    return whole.identifier


def check_merge_order(ctx: Context) -> None:
    """Raise `Rejected` when a part that comes before this one is still open, by the relations on the board."""
    if ctx.loop is None or not ctx.loop.part_of:
        return
    ticket = ctx.world.tracker.fetch(ctx.ticket.id)
    beside = {one.id for one in ticket.siblings}
    if open_before := [one.identifier for one in find_open_blockers(ticket) if one.id in beside]:
        raise Rejected(merged_first_reason(open_before))


def link_parts(body: str, ctx: Context) -> str:
    """The description with the links to pull requests of the other parts that it lacks, below all sections."""
    for loop, is_before in _list_other_parts(ctx):
        url = loop.pull_request.url
        if url and url not in body:
            body += part_link_text(loop.workspace.repository, url, is_before=is_before)
    return body


def link_from_other_parts(url: str, ctx: Context) -> None:
    """Add the link to this pull request to those of the other parts, idempotent by its URL."""
    host = ctx.world.code_host
    for loop, is_before in _list_other_parts(ctx):
        repository, number = loop.workspace.repository, loop.pull_request.number
        if not number or loop.stage is Stage.DONE or ctx.loop is None:
            continue
        shown = host.fetch_pull_request(repository, number)
        if url not in shown.body:
            text = part_link_text(ctx.loop.workspace.repository, url, is_before=not is_before)
            host.update_pull_request(repository, number, shown.title, shown.body + text)


def _list_other_parts(ctx: Context) -> list[tuple[Loop, bool]]:
    """The loops of the other parts, and whether each is merged before this one."""
    parent, loop = ctx.ticket.parent, ctx.loop
    whole = ctx.world.store.load(parent.id) if parent and loop and loop.part_of else None
    ids = [part.ticket.id for part in whole.parts if part.ticket] if whole else []
    if ctx.ticket.id not in ids:
        return []
    own = ids.index(ctx.ticket.id)
    found = [(ctx.world.store.load(one), place < own) for place, one in enumerate(ids) if place != own]
    return [(other, is_before) for other, is_before in found if other]


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
