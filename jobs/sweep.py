"""Compares the board and the code host with the loops in Redis, and emits missed events. Queued by the clock.

A sweep performs no effects, so missed events are decided by the same rules as all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import structlog

from integrations.errors import IntegrationError, NotFound, Rejected, Unauthorized, Unavailable
from integrations.events import BranchPushed, Event, TicketMoved
from integrations.server_time import server_clock
from integrations.values import Ticket, TicketId
from jobs.effects.columns import refresh_all_columns
from jobs.effects.gather import is_moving
from jobs.effects.world import World, current_world
from jobs.inbox.dispatch import route
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.recovery import polling
from jobs.recovery.rebuild import rebuild
from jobs.recovery.sessions import find_session_events
from jobs.runtime import keys, notices, queues
from jobs.workflow.hand_over import awaits_own_move, has_left_loop, is_idle_or_closed
from jobs.workflow.preflight import awaits_new_base

IN_TURN = 5
WAITING_SECONDS = 600.0
POLLED = AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}
_log = structlog.get_logger(__name__)


def sweep() -> None:
    """RQ's entry: compare everything once."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.SWEEP)
    refresh_all_columns(world)
    if not _is_rebuilt(world):
        return
    loops = {loop.ticket.id: loop for loop in world.store.loops()}
    for name, team in world.policy.teams.items():
        try:
            tickets = {t.id: t for t in world.tracker.in_columns(name, list(team.board_columns().values()))}
            turn = list(_choose_loops([loop for loop in loops.values() if loop.ticket.team == name], world))
            for event in (
                *_find_moves(name, tickets, loops, world),
                *_find_for_each(turn, world, _find_pull_request_event),
                *_find_for_each(turn, world, _find_comments_and_reviews),
                *_find_new_bases(name, loops, world),
                *_find_waiting(name, loops, world),
                *_find_unanswered_escalations(tickets, loops, world),
            ):
                if world.store.deliver(event):
                    _log.info("missed event found", event_kind=event.kind, ticket=event.ticket_id)
                    queues.wake_ticket(world.redis, event.ticket_id)
        except IntegrationError as error:
            _log.warning("sweep of a team failed", team=name, reason=str(error))
            _report_refused_credentials(error, world)
            if not isinstance(error, Unavailable | Unauthorized):
                sentence = f"The board of team {name} cannot be read, so tickets on it can wait unseen: {error}"
                notices.post(world.redis, "board", sentence, 3 * world.settings.sweep_seconds)
    for event in find_session_events(loops, world):
        route(world.redis, event)
    _report_wrong_clock(world)


def _report_refused_credentials(error: IntegrationError, world: World) -> None:
    if isinstance(error, Unauthorized):
        notices.post_refused_credentials(world.redis, str(error), 3 * world.settings.sweep_seconds)


def _report_wrong_clock(world: World) -> None:
    """Show while this host's clock differs from the tracker's or the code host's."""
    names = (world.settings.tracker, world.settings.code_host)
    if sentence := next(filter(None, (server_clock(name).sentence for name in names)), ""):
        notices.post(world.redis, "skew", sentence, 3 * world.settings.sweep_seconds)


def _is_rebuilt(world: World) -> bool:
    """Rebuild the loops of an empty Redis first; False when that has to be retried. A team whose board cannot be read
    does not stop the others."""
    if world.redis.exists(keys.REBUILT):
        return True
    try:
        for ticket, line in rebuild(world):
            _log.info("rebuild", ticket=ticket.identifier, line=line)
    except (Unavailable, Unauthorized) as error:
        _log.warning("rebuild failed, will retry", reason=str(error))
        _report_refused_credentials(error, world)
    except Rejected as error:
        _log.warning("rebuild incomplete, will retry", reason=str(error))
        return True
    return bool(world.redis.exists(keys.REBUILT))


def _find_moves(
    name: str, tickets: Mapping[TicketId, Ticket], loops: Mapping[TicketId, Loop], world: World
) -> Iterator[Event]:
    """Tickets in the agent column without a loop, and loops whose ticket left the columns that Loopline works in.

    `tickets` are all tickets in the team's columns."""
    for ticket in tickets.values():
        loop = loops.get(ticket.id)
        if _is_misplaced(ticket, loop, world):
            yield _build_ticket_moved(ticket, loop, world)
    for loop in loops.values():
        polled = loop.ticket.team == name and loop.stage in AT_WORK | OPEN | {Stage.ASKING}
        if polled and loop.ticket.id not in tickets and not is_moving(loop.ticket.id, world):
            yield _build_ticket_moved(loop.ticket, loop, world)


def _is_misplaced(ticket: Ticket, loop: Loop | None, world: World) -> bool:
    role = world.policy.role_of(ticket)
    if loop is None:
        return role == "agent"
    found = is_idle_or_closed(loop) if role == "agent" else has_left_loop(loop, role)
    return found and not awaits_own_move(loop, ticket, role, moving=is_moving(ticket.id, world))


def _build_ticket_moved(ticket: Ticket, loop: Loop | None, world: World) -> TicketMoved:
    """The id holds the loop's state, so the same finding is delivered once and a later one again."""
    known = f"{loop.generation}:{loop.stage.value}:{loop.revision}" if loop else "new"
    event_id = f"sweep:moved:{ticket.id}:{ticket.column}:{known}"
    return TicketMoved(event_id=event_id, ticket_id=ticket.id, at=world.now(), column=ticket.column)


def _find_for_each(turn: list[Loop], world: World, find: Callable[[Loop, World], Iterator[Event]]) -> Iterator[Event]:
    """The events of each loop; one that a provider rejects does not hide those of the others."""
    for loop in turn:
        try:
            yield from find(loop, world)
        except Unauthorized:
            raise
        except Rejected as error:
            _log.warning("sweep of a ticket failed", ticket=loop.identifier, reason=str(error))


def _find_pull_request_event(loop: Loop, world: World) -> Iterator[Event]:
    repository, number = loop.workspace.repository, loop.pull_request.number
    if loop.stage not in OPEN | AT_WORK or not number:
        return
    now = world.code_host.fetch_pull_request(repository, number)
    if kind := polling.pull_request_event(loop, now):
        name = f"sweep:{kind.__name__}:{repository}#{number}"
        yield kind(
            event_id=f"{name}:{loop.generation}:{loop.revision}:{now.head_sha}",
            ticket_id=loop.ticket.id,
            at=world.now(),
            repository=repository,
            number=number,
            branch=loop.workspace.branch,
            head_sha=now.head_sha,
        )


def _find_comments_and_reviews(loop: Loop, world: World) -> Iterator[Event]:
    try:
        comments = list(world.tracker.comments(loop.ticket.id))
    except NotFound:
        yield _build_ticket_moved(loop.ticket, loop, world)
        return
    known = world.store.has_known_events(loop.ticket.id)
    yield from (polling.comment_events if known else polling.unread_comment_events)(loop, comments)
    if loop.stage in OPEN and loop.pull_request.number:
        reviews = world.code_host.reviews(loop.workspace.repository, loop.pull_request.number)
        yield from polling.review_events(loop, reviews, world.now())


def _find_unanswered_escalations(
    tickets: Mapping[TicketId, Ticket], loops: Mapping[TicketId, Loop], world: World
) -> Iterator[Event]:
    """Escalations that are due for a reminder. A moved card counts as an answer, and so does a missed comment or
    reaction: those are read first."""
    for ticket in tickets.values():
        loop = loops.get(ticket.id)
        reminder = polling.escalation_event(loop, world.now(), world.settings.remind_hours) if loop else None
        if not loop or not reminder or world.policy.role_of(ticket) != "needs_human":
            continue
        try:
            comments = list(world.tracker.comments(ticket.id))
        except NotFound:
            continue  # deleted since; `_find_comments_and_reviews` reports it
        missed: list[Event] = [*polling.unread_comment_events(loop, comments), *polling.reaction_events(loop, comments)]
        yield from missed or [reminder]


def _find_new_bases(name: str, loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """New commits on base branches for the team's loops that a problem of the environment blocks; one request for each
    branch."""
    waiting: dict[tuple[str, str], list[Loop]] = {}
    for loop in loops.values():
        if loop.ticket.team == name and awaits_new_base(loop):
            waiting.setdefault((loop.workspace.repository, loop.workspace.base_branch), []).append(loop)
    for (repository, branch), blocked in waiting.items():
        try:
            head = world.code_host.branch_head(repository, branch)
        except Unauthorized:
            raise
        except Rejected as error:
            _log.warning("sweep of a ticket failed", ticket=blocked[0].identifier, reason=str(error))
            continue
        for loop in blocked:
            if head and head != loop.preflight.tried:
                state = f"{loop.generation}:{loop.revision}:{loop.preflight.restarts}"
                yield BranchPushed(
                    event_id=f"sweep:base:{loop.ticket.id}:{state}:{head}",
                    ticket_id=loop.ticket.id,
                    at=world.now(),
                    repository=repository,
                    branch=branch,
                    head_sha=head,
                )


def _find_waiting(name: str, loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """Loops that wait for other tickets, every ten minutes and whenever one of those is done: its move can have been
    missed."""
    for loop in loops.values():
        if loop.ticket.team == name and loop.stage is Stage.WAITING:
            ended = [
                one.identifier for one in loop.waits_for if (other := loops.get(one.id)) and other.stage is Stage.DONE
            ]
            state = "+".join(ended) or str(int(world.now() // WAITING_SECONDS))
            yield TicketMoved(
                event_id=f"sweep:waits:{loop.ticket.id}:{loop.generation}:{state}",
                ticket_id=loop.ticket.id,
                at=world.now(),
            )


def _choose_loops(loops: list[Loop], world: World) -> Iterator[Loop]:
    """A few active loops and one stopped loop, in turn: each costs requests, and the rate limit is for the work."""
    by_id = sorted(loops, key=lambda loop: loop.ticket.id)
    active = [loop for loop in by_id if loop.stage in POLLED]
    stopped = [loop for loop in by_id if loop.stage is Stage.STOPPED]
    turn = world.redis.incr(keys.SWEEP_TURN)
    for n in range(min(IN_TURN, len(active))):
        yield active[(turn * IN_TURN + n) % len(active)]
    if stopped:
        yield stopped[turn % len(stopped)]
