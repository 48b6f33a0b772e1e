"""Refreshes the events of agent sessions and delegations. Called by `jobs.effects.gather`."""

from __future__ import annotations

from dataclasses import replace

import structlog

from integrations.errors import NotFound
from integrations.events import TicketCommented, TicketDelegated, TicketMentioned, TicketUndelegated
from integrations.ports.tracker import Session
from jobs.effects.world import World

STOP = "/stop"
"""The body of an event for the stop button of a session, whose message is not a command."""
_log = structlog.get_logger(__name__)


def read_delegation(event: TicketDelegated, world: World) -> TicketDelegated | None:
    """With the ticket and the person who delegated it, in one request.

    A delegation that was reported without its session is looked for among Loopline's sessions."""
    session_id = event.session_id
    if not session_id:
        found = [session.id for session in world.tracker.sessions() if session.ticket_id == event.ticket_id]
        if not found:
            _log.warning("delegation without a session", ticket=event.ticket_id)
            return None
        session_id = found[0]
    if (session := _fetch(session_id, world)) is None:
        return None
    return replace(event, session_id=session_id, ticket=session.ticket, author=session.creator, root_id=session.root_id)


def read_mention(event: TicketMentioned, world: World) -> TicketMentioned | None:
    """With the ticket and the author of the comment, in one request."""
    session = _fetch(event.session_id, world)
    if session is None:
        return None
    return replace(event, ticket=session.ticket, author=session.creator, body=session.text, root_id=session.root_id)


def _fetch(session_id: str, world: World) -> Session | None:
    try:
        session = world.tracker.fetch_session(session_id)
    except NotFound:
        return None
    return None if session.ticket is None or session.ticket.trashed else session


def read_undelegation(event: TicketUndelegated, world: World) -> TicketUndelegated | None:
    """None while Loopline is still, or again, the delegate, and for Loopline's own change."""
    if event.by == world.tracker.viewer().id:
        return None
    try:
        ticket = world.tracker.fetch(event.ticket_id)
    except NotFound:
        return None
    if ticket.trashed or (ticket.delegate and ticket.delegate.is_us):
        return None
    return replace(event, ticket=ticket, by="")


def read_prompt(event: TicketCommented, world: World) -> TicketCommented | None:
    """A person's message in a session, with the author's permission."""
    try:
        prompt = world.tracker.fetch_prompt(event.prompt_id)
    except NotFound:
        return None
    if prompt.author.is_us:
        return None
    return replace(event, body=event.body if event.body == STOP else prompt.body, author=prompt.author)
