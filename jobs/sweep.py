"""Compares the board and the code host with the loops in Redis, and emits missed events. Queued by the clock.

A sweep performs no effects, so missed events are decided by the same rules as all others. It reads what changed on the
board since the last sweep, in one request, so its cost does not grow with the number of tickets.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

import structlog

from integrations.errors import IntegrationError, NotFound, Rejected, Unauthorized, Unavailable
from integrations.events import BranchPushed, Event, PullRequestChanged, RepositoryChanged, TicketMoved
from integrations.ports.tracker import Comment
from integrations.request_budget import Priority, use_priority
from integrations.server_time import server_clock
from integrations.values import Ticket, TicketId
from jobs.effects.columns import refresh_all_columns
from jobs.effects.gather import is_moving
from jobs.effects.members import is_relaying
from jobs.effects.world import World, current_world
from jobs.inbox.automation_sweep import find_missed as find_missed_by_automations
from jobs.inbox.dispatch import route
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.recovery import polling
from jobs.recovery.rebuild import rebuild
from jobs.recovery.sessions import find_session_events
from jobs.runtime import keys, notices, queues
from jobs.workflow.hand_over import awaits_own_move, has_left_loop, is_idle_or_closed
from jobs.workflow.lesson_rules import choose_next
from jobs.workflow.preflight import awaits_new_base
from jobs.workflow.problems import is_shared

IN_TURN = 5
WATCHED = 50  # comments that one request can name
WAITING_SECONDS = 600.0
POLLED = AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}
OVERLAP_SECONDS = 600.0
"""How far each poll looks back behind the last one: what could not be decided then is found again, and a change that
the tracker shows late."""
COMPARE_SECONDS = 1_800.0
"""Seconds between two full comparisons, for what changes without a trace: archived and deleted tickets, teams and
columns."""
_log = structlog.get_logger(__name__)


def sweep() -> None:
    """RQ's entry: find what was missed since the last sweep."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.SWEEP)
    with use_priority(Priority.BACKGROUND):
        refresh_all_columns(world)
        if _is_rebuilt(world):
            _sweep({loop.ticket.id: loop for loop in world.store.loops()}, world)
            find_missed_by_automations(world)
    _wake_lessons(world)
    _report_wrong_clock(world)


def _wake_lessons(world: World) -> None:
    """Let the lessons be tended of which a pull request is open, or can be opened now."""
    for repository in world.lessons.list_repositories():
        book = world.lessons.list(repository)
        if any(one.is_open for one in book) or choose_next(book, world.now()):
            queues.wake(world.redis, queues.TEND_LESSONS, repository)


def _sweep(loops: Mapping[TicketId, Loop], world: World) -> None:
    teams, began = list(world.policy.teams), world.now()
    for name in teams:
        if _is_due(f"compared:{name}", COMPARE_SECONDS, world) and _emit(
            name, _compare_team(name, loops, world), world
        ):
            world.redis.hset(keys.SWEPT, f"compared:{name}", began)
    since = _read_time("since", world) or began - polling.LOOK_BACK
    if is_read := _emit(", ".join(teams), _find_changes(teams, since - OVERLAP_SECONDS, loops, world), world):
        world.redis.hset(keys.SWEPT, "since", began)
    for name in teams:
        turn = list(_choose_loops([loop for loop in loops.values() if loop.ticket.team == name], world))
        if not is_read:
            _emit(name, _find_for_each(turn, world, _find_comments), world)
        _emit(name, _find_for_each(turn, world, _find_pull_request_event), world)
        _emit(name, _find_for_each(turn, world, _find_reviews), world)
        _emit(name, _find_new_bases(name, loops, world), world)
        _emit(name, _find_waiting(name, loops, world), world)
    _emit(", ".join(teams), _find_unanswered_escalations(loops, world), world)
    for event in find_session_events(loops, world):
        route(world.redis, event)


def _emit(team: str, events: Iterator[Event], world: World) -> bool:
    """Deliver the events; False when they could not all be found. A team whose board cannot be read does not stop the
    others."""
    try:
        for event in events:
            if world.store.deliver(event):
                _log.info("missed event found", event_kind=event.kind, ticket=event.ticket_id)
                queues.wake_ticket(world.redis, event.ticket_id)
    except IntegrationError as error:
        _log.warning("sweep of a team failed", team=team, reason=str(error))
        _report_refused_credentials(error, world)
        if not isinstance(error, Unavailable | Unauthorized):
            sentence = f"The board of team {team} cannot be read, so tickets on it can wait unseen: {error}"
            notices.post(world.redis, "board", sentence, 3 * world.settings.sweep_seconds)
        return False
    return True


def _read_time(name: str, world: World) -> float:
    """A time of the sweep's record, 0 without one, and for one in the future, of a clock that went back."""
    at = float(world.redis.hget(keys.SWEPT, name) or 0)
    return at if at <= world.now() else 0.0


def _is_due(name: str, seconds: float, world: World) -> bool:
    return world.now() - _read_time(name, world) >= seconds


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


def _compare_team(name: str, loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """Compare all tickets in the team's columns except done, and those of loops that are in none of these."""
    listed = {t.id: t for t in world.tracker.in_columns(name, world.policy.teams[name].active_columns)}
    for ticket in listed.values():
        yield from _find_move(ticket, loops, world)
    own = [loop for loop in loops.values() if loop.ticket.team == name and loop.stage in POLLED]
    absent = [loop for loop in own if loop.ticket.id not in listed]
    found = {t.id: t for t in world.tracker.fetch_many([loop.ticket.id for loop in absent])}
    for loop in absent:
        present = found.get(loop.ticket.id)
        if present and not present.trashed:
            yield from _find_move(present, loops, world)
        elif not is_moving(loop.ticket.id, world):
            yield _build_ticket_moved(loop.ticket, loop, world)


def _find_changes(teams: Sequence[str], since: float, loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """Moves, comments, edits and deletions since that time, in one request for all teams unless there are many."""
    unread = {name: loop.ticket.id for loop in loops.values() for name in polling.list_unread_comments(loop)}
    watched = random.sample(sorted(unread), min(len(unread), WATCHED))
    changes = world.tracker.changes(teams, since, watched)
    for ticket in changes.tickets:
        yield from _find_move(ticket, loops, world)
    written: dict[TicketId, list[Comment]] = {}
    for comment in changes.comments:
        written.setdefault(comment.ticket_id, []).append(comment)
    for ticket_id, comments in written.items():
        if loop := loops.get(ticket_id):
            yield from _find_missed_comments(loop, comments, world)
    for comment_id in set(watched).difference(changes.present):
        if is_relaying(unread[comment_id], comment_id, world):
            continue
        yield polling.removal_event(unread[comment_id], comment_id, world.now())


def _find_missed_comments(loop: Loop, comments: Sequence[Comment], world: World) -> Iterator[Event]:
    yield from polling.edit_events(loop, comments)
    known = world.store.has_known_events(loop.ticket.id)
    yield from (polling.comment_events if known else polling.unread_comment_events)(loop, comments)


def _find_move(ticket: Ticket, loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """A ticket in the agent column without a loop, or one that left the columns in which Loopline works on it."""
    loop = loops.get(ticket.id)
    if _is_misplaced(ticket, loop, world):
        yield _build_ticket_moved(ticket, loop, world)


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
    try:
        now = world.code_host.fetch_pull_request(repository, number)
    except NotFound:
        yield from _build_changes(loop, [RepositoryChanged], "gone", world)
        return
    yield from _build_changes(loop, polling.list_changes(loop, now), polling.describe(now), world)
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


def _build_changes(
    loop: Loop, kinds: Sequence[type[PullRequestChanged] | type[RepositoryChanged]], state: str, world: World
) -> Iterator[Event]:
    """The event of each change. The id has the loop's state and the one on the code host."""
    place = loop.workspace
    known = (loop.foreign, place.base_branch, loop.pull_request.draft)
    digest = sha256(f"{known} {state}".encode()).hexdigest()[:12]
    for kind in kinds:
        yield kind(
            event_id=f"sweep:{kind.__name__}:{place.repository}#{loop.pull_request.number}:{loop.ticket.id}:{digest}",
            ticket_id=loop.ticket.id,
            at=world.now(),
            repository=place.repository,
            number=loop.pull_request.number,
        )


def _find_comments(loop: Loop, world: World) -> Iterator[Event]:
    """All comments of one ticket, where those of all teams have no end."""
    try:
        comments = list(world.tracker.comments(loop.ticket.id))
    except NotFound:
        yield _build_ticket_moved(loop.ticket, loop, world)
        return
    yield from _find_missed_comments(loop, comments, world)


def _find_reviews(loop: Loop, world: World) -> Iterator[Event]:
    if loop.stage in OPEN and loop.pull_request.number:
        reviews = world.code_host.reviews(loop.workspace.repository, loop.pull_request.number)
        yield from polling.review_events(loop, reviews, world.now())


def _find_unanswered_escalations(loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """Escalations that are due for a reminder. A moved card counts as an answer, and so does a missed comment or
    reaction: those are read first."""
    hours = world.settings.remind_hours
    due = {t: event for t, loop in loops.items() if (event := polling.escalation_event(loop, world.now(), hours))}
    buried = {letter.ticket_id for letter in world.dead_letters.summaries()} if due else set()
    for ticket in world.tracker.fetch_many(list(due)):
        if ticket.trashed or world.policy.role_of(ticket) != "needs_human":
            continue
        loop, comments = loops[ticket.id], list(world.tracker.comments(ticket.id))
        missed: list[Event] = [*polling.unread_comment_events(loop, comments), *polling.reaction_events(loop, comments)]
        yield from missed or [replace(due[ticket.id], shared=is_shared(loop, loops.values(), buried))]


def _find_new_bases(name: str, loops: Mapping[TicketId, Loop], world: World) -> Iterator[Event]:
    """New commits on base branches, for the team's open pull requests, and for loops that a problem of the environment
    blocks; one request for each branch."""
    waiting: dict[tuple[str, str], list[Loop]] = {}
    for loop in loops.values():
        if loop.ticket.team == name and (awaits_new_base(loop) or loop.stage in OPEN):
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
            known = loop.workspace.base_sha if loop.stage in OPEN else loop.preflight.tried
            if head and head != known:
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
            others = [other for one in loop.waits_for if (other := loops.get(one.id))]
            ended = [f"{other.identifier}-{other.stage}" for other in others if other.stage not in AT_WORK | OPEN]
            state = "+".join(ended) or str(int(world.now() // WAITING_SECONDS))
            yield TicketMoved(
                event_id=f"sweep:waits:{loop.ticket.id}:{loop.generation}:{state}",
                ticket_id=loop.ticket.id,
                at=world.now(),
            )


def _choose_loops(loops: list[Loop], world: World) -> Iterator[Loop]:
    """A few active loops, in turn: each costs requests, and the rate limit is for the work."""
    active = sorted((loop for loop in loops if loop.stage in POLLED), key=lambda loop: loop.ticket.id)
    turn = world.redis.incr(keys.SWEEP_TURN)
    for n in range(min(IN_TURN, len(active))):
        yield active[(turn * IN_TURN + n) % len(active)]
