"""The job that repairs: it compares the board and the code host with what we remember, and emits events, never effects.

Woken by the clock. So repair and normal life share one set of rules, and a missed move of a card costs at most one
sweep. Comments and pull requests have their turn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import structlog

from integrations.errors import IntegrationError, NotFound, Unauthorized, Unavailable
from integrations.events import Event, TicketMoved
from integrations.values import Ticket, TicketId
from jobs.effects.gather import is_moving
from jobs.effects.world import World, current_world
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.recovery.polling import (
    comment_events,
    escalation_event,
    pull_request_event,
    reaction_events,
    review_events,
    unread_comment_events,
)
from jobs.recovery.rebuild import rebuild
from jobs.runtime import keys, queues
from jobs.workflow.decision import TeamPolicy
from jobs.workflow.hand_over import is_idle_or_closed, left_our_columns, only_we_moved_it

IN_TURN = 5
HEEDED = AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}
_log = structlog.get_logger(__name__)


def sweep() -> None:
    """RQ's entry: one comparison of everything."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.SWEEP_WAKE_FLAG)
    if not _remembers(world):
        return
    loops = {loop.ticket.id: loop for loop in world.store.loops()}
    for name, team in world.policy.teams.items():
        try:
            shown = {t.id: t for t in world.tracker.in_columns(name, list(team.columns.values()))}
            turn = list(_in_turn([loop for loop in loops.values() if loop.ticket.team == name], world))
            for event in (
                *_board(name, team, shown, loops, world),
                *_code_host(turn, world),
                *_said(turn, world),
                *_called(shown, loops, world),
            ):
                if world.store.deliver(event):
                    _log.info("found by the sweep", event_kind=event.kind, ticket=event.ticket_id)
                    queues.wake_ticket(world.redis, event.ticket_id)
        except IntegrationError as error:
            _log.warning("sweep of a team failed", team=name, reason=str(error))


def _remembers(world: World) -> bool:
    """A Redis that has never seen the board first learns from it what was under way; False when that has to wait."""
    if world.redis.exists(keys.REBUILT):
        return True
    try:
        for ticket, line in rebuild(world):
            _log.info("rebuild", ticket=ticket.identifier, line=line)
    except (Unavailable, Unauthorized) as error:
        _log.warning("the rebuild has to wait", reason=str(error))
    return bool(world.redis.exists(keys.REBUILT))


def _board(
    name: str, team: TeamPolicy, shown: dict[TicketId, Ticket], loops: dict[TicketId, Loop], world: World
) -> Iterator[Event]:
    """Tickets that wait in the agent column without a loop, and loops whose ticket left for where it is not ours.
    `shown` are all tickets in the team's columns."""
    for ticket in shown.values():
        loop = loops.get(ticket.id)
        if _is_misplaced(ticket, loop, world):
            yield _moved(ticket, loop)
    for loop in loops.values():
        ours = loop.ticket.team == name and loop.stage in AT_WORK | OPEN | {Stage.ASKING}
        if ours and loop.ticket.id not in shown and not is_moving(loop.ticket.id, world):
            yield _moved(loop.ticket, loop)


def _is_misplaced(ticket: Ticket, loop: Loop | None, world: World) -> bool:
    """Whether somebody put the ticket into the agent column and nobody took it up, or to where it is not ours."""
    role = world.policy.column_role(ticket.team, ticket.column)
    if loop is None:
        return role == "agent"
    found = is_idle_or_closed(loop) if role == "agent" else left_our_columns(loop, role)
    return found and not only_we_moved_it(loop, ticket, role, moving=is_moving(ticket.id, world))


def _moved(ticket: Ticket, loop: Loop | None) -> TicketMoved:
    """The id holds the generation and stage, so that the same finding is delivered once and a later one again."""
    known = f"{loop.generation}:{loop.stage.value}:{loop.revision}" if loop else "new"
    event_id = f"sweep:moved:{ticket.id}:{ticket.column}:{known}"
    return TicketMoved(event_id=event_id, ticket_id=ticket.id, at=time.time(), column=ticket.column)


def _code_host(turn: list[Loop], world: World) -> Iterator[Event]:
    """What happened to pull requests without us hearing of it."""
    for loop in turn:
        if loop.stage not in OPEN | AT_WORK or not loop.pull_request.number:
            continue
        now = world.code_host.fetch_pull_request(loop.workspace.repository, loop.pull_request.number)
        kind = pull_request_event(loop, now)
        if kind:
            yield kind(
                event_id=f"sweep:{kind.__name__}:{loop.workspace.repository}#{loop.pull_request.number}:{loop.generation}:{loop.revision}:{now.head_sha}",
                ticket_id=loop.ticket.id,
                at=time.time(),
                repository=loop.workspace.repository,
                number=loop.pull_request.number,
                branch=loop.workspace.branch,
                head_sha=now.head_sha,
            )


def _said(turn: list[Loop], world: World) -> Iterator[Event]:
    """Comments and reviews that we did not hear of."""
    for loop in turn:
        try:
            yield from comment_events(loop, list(world.tracker.comments(loop.ticket.id)))
        except NotFound:
            yield _moved(loop.ticket, loop)
            continue
        if loop.stage in OPEN and loop.pull_request.number:
            yield from review_events(
                loop, world.code_host.reviews(loop.workspace.repository, loop.pull_request.number), time.time()
            )


def _called(shown: dict[TicketId, Ticket], loops: dict[TicketId, Loop], world: World) -> Iterator[Event]:
    """Calls for a person that nobody has answered in time. Whoever moved the card away knows of it, and an answer that
    we did not hear of counts: the ticket's comments are read first."""
    now = time.time()
    for ticket in shown.values():
        loop = loops.get(ticket.id)
        silence = escalation_event(loop, now, world.settings.remind_hours) if loop else None
        if loop is None or silence is None:
            continue
        if world.policy.column_role(ticket.team, ticket.column) != "needs_human":
            continue
        try:
            comments = list(world.tracker.comments(ticket.id))
        except NotFound:
            continue  # deleted since; `_said` says so
        heard: list[Event] = [*unread_comment_events(loop, comments), *reaction_events(loop, comments)]
        yield from heard or [silence]


def _in_turn(loops: list[Loop], world: World) -> Iterator[Loop]:
    """A few loops at a time, and one of those that were stopped: each costs a request or more, and the hour's allowance
    of board and code host is for the work."""
    active = sorted((loop for loop in loops if loop.stage in HEEDED), key=lambda loop: loop.ticket.id)
    stopped = sorted((loop for loop in loops if loop.stage is Stage.STOPPED), key=lambda loop: loop.ticket.id)
    turn = world.redis.incr(keys.SWEEP_TURN)
    for n in range(min(IN_TURN, len(active))):
        yield active[(turn * IN_TURN + n) % len(active)]
    if stopped:
        yield stopped[turn % len(stopped)]
