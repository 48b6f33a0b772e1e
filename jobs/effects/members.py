"""The rights of people who send requests from outside of the tracker. Called by `gather` and `jobs.access`."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import TicketCommented
from integrations.server_time import server_clock
from integrations.values import TicketId
from jobs.effects.people import with_login
from jobs.effects.world import World
from jobs.loop.commands import RelayComment
from jobs.loop.derived_ids import derive_id
from jobs.store.members import Membership


def find_membership(email: str, world: World) -> Membership:
    """The person's rights, read from the board. Raises `Unavailable` or `Rejected`."""
    found = world.tracker.find_member(email, tuple(world.policy.teams))
    if found is None:
        return Membership()
    person = replace(found.person, may_steer=world.policy.may_start(found.person))
    return Membership(person=person, may_approve=world.policy.may_approve(found.person), teams=found.teams)


def read_call(event: TicketCommented, world: World) -> TicketCommented:
    """The request with its author as the board knows the person now, without an author if the person cannot read the
    ticket. Its comment gets an idempotent id. Raises `Unavailable` or `Rejected`."""
    loop = world.store.load(event.ticket_id)
    membership = find_membership(event.author.email if event.author else "", world)
    author = membership.person
    if author is None or loop is None or loop.ticket.team not in membership.teams:
        return replace(event, author=None)
    if event.command == "approve" and author.may_steer:
        author = with_login(author, loop.workspace.repository, world)
    at = min(server_clock(world.settings.tracker).convert(event.written_at), world.now())  # as that of other comments
    comment_id = derive_id(event.ticket_id, event.event_id)
    return replace(event, author=author, comment_id=comment_id, at=at, written_at=at)


def is_relaying(ticket_id: TicketId, comment_id: str, world: World) -> bool:
    """Whether this comment of a person still has to be posted, so that it is not on the board yet."""
    commands = world.store.list_commands(ticket_id, "outer")
    return any(isinstance(one, RelayComment) and one.comment_id == comment_id for one in commands)
