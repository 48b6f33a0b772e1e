"""The job that drives one ticket: gather, decide, commit, perform, in order, under the ticket's lease.

Woken by the dispatcher, by performers, by finished runs and by the sweep; a wake-up too many finds nothing to do. All
failures of events and commands end here: `Unavailable` waits, and so does `Unauthorized`, for which no ticket can be
blamed; `Rejected` becomes an event, anything else is a fault of ours that is tried five times and then buried with its
cause, also when all that it leaves is a dead process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from integrations.errors import IntegrationError, Rejected, Unauthorized, Unavailable
from integrations.events import EVENT, CommandFailed, Event, TicketCommented, TicketMoved
from integrations.values import Identifier, Ticket, TicketId
from jobs.effects.gather import gather
from jobs.effects.perform import Context, perform, show_report
from jobs.effects.world import World, current_world
from jobs.loop.commands import Lane
from jobs.loop.policy import PolicyError
from jobs.loop.state import Loop, Stage
from jobs.messages.escalations import dead_letter_reason
from jobs.recovery.rebuild import restore
from jobs.runtime import keys, queues
from jobs.runtime.dead_processes import count_deaths
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import LeaseLost
from jobs.store.dead_letters import GIVE_UP_AFTER, Box, DeadLetter, DeadLetters, ProcessDied, id_of
from jobs.store.tickets import Posted
from jobs.workflow import decide
from jobs.workflow.decision import still_wanted
from jobs.workflow.report import Report, is_due_before, report_of

CREDENTIALS_WAIT_SECONDS = 60.0
_log = structlog.get_logger(__name__)


def drive(ticket_id: TicketId) -> None:
    """RQ's entry: take the ticket's mailbox and outbox as far as they go now."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.ticket_wake_flag(ticket_id))
    with structlog.contextvars.bound_contextvars(ticket=ticket_id), hold(world.redis, ticket_id) as lease:
        if lease is None:
            return
        queues.cancel_delayed_wake(world.redis, ticket_id)
        try:
            _drive(ticket_id, lease, world)
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))


def _drive(ticket_id: TicketId, lease: Lease, world: World) -> None:
    if count_deaths(world.redis, ticket_id) >= GIVE_UP_AFTER:
        _put_aside_what_kills(ticket_id, lease, world)
    while not world.stopping.is_set():
        wait = _step(ticket_id, lease, world)
        if wait:
            queues.wake_ticket(world.redis, ticket_id, delay=wait)
            break
        if wait is None and world.store.release(lease, ticket_id):
            return
    world.store.release(lease, ticket_id, leave_work=True)


def _step(ticket_id: TicketId, lease: Lease, world: World) -> float | None:
    """Perform or decide one thing. 0: done, go on. None: nothing was there. Seconds: wait that long first.

    While a provider is unavailable its commands wait, but events are still decided, so that a stop is never delayed."""
    loop = world.store.load(ticket_id)
    inner = _next_command(ticket_id, "inner", loop, lease, world)
    if inner:
        return _perform(inner, loop, lease, world)
    wait = max(world.redis.pttl(keys.retry_at(ticket_id)), 0) / 1000
    if not wait:
        outer = _next_command(ticket_id, "outer", loop, lease, world)
        if loop and (report := _due_report(loop, world)):
            return _refresh(report, loop, lease, world)
        if outer:
            return _perform(outer, loop, lease, world)
    decided = _decide(ticket_id, loop, lease, world)
    return wait if wait and decided is None else decided


def _due_report(loop: Loop, world: World) -> Report | None:
    """The report to write now; None while the ticket shows it already or commands come first."""
    if loop.generation == 0:
        return None
    report = report_of(loop, world.policy)
    if report.digest == world.store.reported(loop.ticket.id):
        return None
    return report if is_due_before(world.store.waiting(loop.ticket.id, "outer")) else None


def _refresh(report: Report, loop: Loop, lease: Lease, world: World) -> float:
    """Write the report. A ticket that refuses it, because it was deleted for example, is not asked again."""
    ticket_id = loop.ticket.id
    try:
        show_report(report, Context("report", loop.ticket, world, lease))
    except (Unavailable, Unauthorized) as error:
        return _retry_later(ticket_id, "report", error, world)
    except IntegrationError as error:
        _log.warning("report refused", ticket=loop.identifier, reason=str(error))
    except (LeaseLost, RedisError):
        raise
    except Exception as error:
        failures = world.store.failed(ticket_id, "report")
        _log.exception("unexpected error", item="report", failures=failures)
        if world.raise_faults:
            raise error
        if failures < GIVE_UP_AFTER:
            return 0.5 * 2.0**failures
    world.store.mark_reported(ticket_id, report.digest)
    return 0.0


def _retry_later(ticket_id: TicketId, item: str, error: Unavailable | Unauthorized, world: World) -> float:
    """The outer outbox rests until the provider is worth another try."""
    wait = _wait(ticket_id, item, error, world)
    world.redis.set(keys.retry_at(ticket_id), 1, px=max(int(wait * 1000), 1))
    return 0.0


def _decide(ticket_id: TicketId, loop: Loop | None, lease: Lease, world: World) -> float | None:
    raw = world.store.next_event(ticket_id)
    if raw is None:
        return None
    try:
        event = EVENT.decode(raw)
    except ValidationError as error:
        _put_aside(_letter("mailbox", "event", raw, error, ticket_id, loop), loop, lease, world)
        return 0.0
    try:
        loop = loop or _from_board(event, lease, world)
        if loop is None and not isinstance(event, TicketMoved):
            world.store.commit(lease, ticket_id, raw, None, ())
            return 0.0
        _settle(event, raw, loop, lease, world)
    except (Unavailable, Unauthorized) as error:
        return _wait(ticket_id, "event", error, world)
    except (LeaseLost, RedisError):
        raise  # neither is the event's fault: whoever is woken next tries it again
    except Exception as error:  # noqa: BLE001 - the one place that catches everything; under test it raises
        return _fault(_letter("mailbox", event.kind, raw, error, ticket_id, loop), error, loop, lease, world)
    return 0.0


def _next_command(ticket_id: TicketId, lane: Lane, loop: Loop | None, lease: Lease, world: World) -> Posted | None:
    """The head of an outbox; what a newer release has put there and this one cannot read is put aside."""
    while True:
        try:
            return world.store.next_command(ticket_id, lane)
        except ValidationError as error:
            raw = world.store.head(ticket_id, lane)
            _put_aside(_letter(lane, "command", raw, error, ticket_id, loop), loop, lease, world)


def _from_board(event: Event, lease: Lease, world: World) -> Loop | None:
    """Before a ticket counts as new: the board may remember what this Redis does not."""
    if isinstance(event, TicketMoved | TicketCommented):
        try:
            restore(event.ticket_id, lease, world)
        except Unauthorized:
            raise  # what cannot be read now may be there all the same
        except Rejected as error:
            _log.warning("a loop could not be rebuilt", reason=str(error))
    return world.store.load(event.ticket_id)


def _settle(event: Event, raw: bytes, before: Loop | None, lease: Lease, world: World) -> None:
    now = gather(event, world)
    if now is None:
        world.store.commit(lease, event.ticket_id, raw, None, ())
        return
    loop = before or Loop(
        ticket=getattr(now, "ticket", None) or Ticket(id=event.ticket_id, identifier=Identifier(""), title="")
    )
    decision = decide(loop, now, world.policy)
    changed = None if before is None and decision.loop.stage is Stage.IDLE else decision.loop
    world.store.commit(lease, event.ticket_id, raw, changed, decision.commands)
    if changed and (before is None or before.stage is not changed.stage):
        _log.info("stage", ticket=changed.identifier, stage=changed.stage.value, event_kind=event.kind)


def _perform(posted: Posted, loop: Loop | None, lease: Lease, world: World) -> float:
    assert loop, "an outbox without a loop"
    ticket_id = loop.ticket.id
    try:
        wanted = still_wanted(loop, posted.command)
        events = perform(posted.command, Context(posted.id, loop.ticket, world, lease)) if wanted else ()
    except (Unavailable, Unauthorized) as error:
        return _retry_later(ticket_id, posted.command.kind, error, world)
    except (IntegrationError, PolicyError) as error:
        events = _refused(posted, loop, str(error))
    except (LeaseLost, RedisError):
        raise
    except Exception as error:  # noqa: BLE001 - as above
        letter = _letter(posted.lane, posted.command.kind, posted.raw, error, ticket_id, loop)
        return _fault(letter, error, loop, lease, world)
    world.store.performed(lease, ticket_id, posted, events)
    return 0.0


def _refused(posted: Posted, loop: Loop, reason: str) -> Sequence[Event]:
    _log.warning("command refused", ticket=loop.identifier, command=posted.command.kind, reason=reason)
    failed = CommandFailed(
        event_id=f"{posted.id}/refused",
        ticket_id=loop.ticket.id,
        at=time.time(),
        generation=getattr(posted.command, "generation", loop.generation),
        command=posted.command.kind,
        reason=reason,
    )
    return (failed,)


def _wait(ticket_id: TicketId, item: str, error: Unavailable | Unauthorized, world: World) -> float:
    if isinstance(error, Unauthorized):
        if world.redis.set(keys.REFUSED_CREDENTIALS, str(error), nx=True, ex=int(3 * CREDENTIALS_WAIT_SECONDS)):
            _log.error("credentials are refused; everything that needs them waits", reason=str(error))
        return CREDENTIALS_WAIT_SECONDS
    failures = world.store.failed(ticket_id, item)
    wait = error.retry_after or min(0.5 * 2**failures, 60.0)
    _log.warning("a provider is away", item=item, reason=str(error), failures=failures, wait_seconds=wait)
    return float(wait)


def _fault(letter: DeadLetter, error: Exception, loop: Loop | None, lease: Lease, world: World) -> float:
    """A fault of ours: try again a few times, then keep the item for a person and go on with the ticket."""
    failures = world.store.failed(letter.ticket_id, letter.kind)
    _log.exception("a fault of ours", item=letter.kind, failures=failures)
    if world.raise_faults:
        raise error
    if failures < GIVE_UP_AFTER:
        return 0.5 * 2.0**failures
    _put_aside(letter, loop, lease, world)
    return 0.0


def _letter(box: Box, kind: str, raw: bytes, error: Exception, ticket_id: TicketId, loop: Loop | None) -> DeadLetter:
    return DeadLetter(
        id=id_of(ticket_id, box, raw),
        box=box,
        kind=kind,
        cause=f"{type(error).__name__}: {error}",
        at=time.time(),
        ticket_id=ticket_id,
        identifier=loop.identifier if loop else "",
        item=raw.decode(),
    )


def _put_aside_what_kills(ticket_id: TicketId, lease: Lease, world: World) -> None:
    """Whatever `_step` would take next: a death leaves no word about which it was."""
    boxes: list[tuple[Box, bytes | None]] = [
        ("inner", world.store.head(ticket_id, "inner")),
        ("outer", world.store.head(ticket_id, "outer") if not world.redis.exists(keys.retry_at(ticket_id)) else None),
        ("mailbox", world.store.next_event(ticket_id)),
    ]
    loop = world.store.load(ticket_id)
    for box, raw in boxes:
        if raw:
            item = json.loads(raw)
            letter = _letter(box, (item.get("command") or item).get("kind", box), raw, ProcessDied(), ticket_id, loop)
            _put_aside(letter, loop, lease, world)
            return


def _put_aside(letter: DeadLetter, loop: Loop | None, lease: Lease, world: World) -> None:
    """The ticket hears of it as of a command that failed; what fails while it hears is told to nobody but the log."""
    _log.error("put aside", item=letter.kind, id=letter.id, cause=letter.cause)
    told = CommandFailed(
        event_id=f"dead:{letter.id}",
        ticket_id=letter.ticket_id,
        at=letter.at,
        generation=letter.generation if letter.generation is not None else loop.generation if loop else 0,
        command=letter.kind,
        reason=dead_letter_reason(letter.kind, letter.cause.partition(":")[0], letter.id),
        put_aside=True,
    )
    DeadLetters(world.redis).bury(lease, letter, told if loop and letter.kind != CommandFailed.__name__ else None)
