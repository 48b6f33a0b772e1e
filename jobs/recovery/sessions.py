"""Finds agent sessions whose webhook was lost, and those that need a heartbeat. Called by `jobs.sweep`.

One request for all teams every few minutes; an account that is no app has no sessions and needs none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import structlog

from integrations.errors import IntegrationError
from integrations.events import Event, SessionQuiet, TicketCommented, TicketDelegated, TicketMentioned
from integrations.ports.tracker import Session
from integrations.values import TicketId
from jobs.effects.gather import parse_time
from jobs.effects.session_reads import STOP
from jobs.effects.sessions import PROMPT
from jobs.effects.world import World
from jobs.loop.state import AT_WORK, Loop, Stage
from jobs.runtime import keys
from jobs.runtime.scripts import decode

LIST_SECONDS = 300
QUIET_SECONDS = 600.0  # a session becomes stale after 30 minutes without an activity
_log = structlog.get_logger(__name__)


def find_session_events(loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """The events of quiet sessions and of lost webhooks."""
    yield from _find_quiet(loops.values(), world)
    yield from _find_lost(loops, world)


def _find_quiet(loops: Iterable[Loop], world: World) -> Iterator[Event]:
    """Once for each last activity; without a stored one, after a rebuild, the heartbeat is due."""
    for loop in loops:
        if loop.session_id and loop.stage in AT_WORK | {Stage.CI}:
            at = decode(world.redis.hget(keys.session(loop.session_id), "at") or b"0")
            if world.now() - float(at) > QUIET_SECONDS:
                event_id = f"sweep:quiet:{loop.session_id}:{at}"
                yield SessionQuiet(event_id=event_id, ticket_id=loop.ticket.id, session_id=loop.session_id)


def _find_lost(loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """Sessions without a loop that knows them, and messages in the others. The event ids are those of the webhooks, so
    a late one is known."""
    if not world.redis.set(keys.SESSIONS_LISTED, 1, nx=True, ex=LIST_SECONDS):
        return
    try:
        for session in world.tracker.sessions():
            loop = loops.get(session.ticket_id)
            if loop is None or loop.session_id != session.id:
                yield _build_event(session, world)
            else:
                yield from _find_prompts(session, loop, world)
    except IntegrationError as error:
        _log.warning("sessions not listed", reason=str(error))


def _find_prompts(session: Session, loop: Loop, world: World) -> Iterator[Event]:
    """Messages since the hand-over that are no comments, which the sweep finds by itself: the stop button and messages
    of the tracker's own pages."""
    for prompt in session.prompts:
        if (prompt.stops or not prompt.comment_id) and (at := parse_time(prompt)) > loop.started_at:
            yield TicketCommented(
                event_id=f"prompt:{prompt.id}",
                ticket_id=session.ticket_id,
                at=at,
                comment_id=f"{PROMPT}{prompt.id}",
                body=STOP if prompt.stops else "",
                session_id=session.id,
                prompt_id=prompt.id,
            )


def _build_event(session: Session, world: World) -> Event:
    event_id, ticket_id, at = f"session:{session.id}:created", session.ticket_id, world.now()
    if session.delegated:
        return TicketDelegated(
            event_id=event_id, ticket_id=ticket_id, at=at, session_id=session.id, identifier=session.identifier
        )
    return TicketMentioned(
        event_id=event_id,
        ticket_id=ticket_id,
        at=at,
        session_id=session.id,
        identifier=session.identifier,
        comment_id=session.comment_id,
    )
