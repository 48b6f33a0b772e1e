"""Drives one ticket: gathers, decides, commits and performs, in order, under the ticket's lease.

The job is queued by the dispatcher, performers, finished runs, the clock and the sweep; a duplicate does nothing.
All failures of events and commands are handled here: `Unavailable` and `Unauthorized` are retried with backoff,
`Rejected` becomes an event, and any other exception is an unexpected error. After five of those, or after five
processes died at it, the item becomes a dead letter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from integrations.disk import pause_when_exhausted
from integrations.errors import (
    Frozen,
    IntegrationError,
    Misconfigured,
    OverBudget,
    Rejected,
    Unauthorized,
    Unavailable,
)
from integrations.events import (
    EVENT,
    CommandFailed,
    Event,
    TicketCommented,
    TicketDelegated,
    TicketEdited,
    TicketMentioned,
    TicketMoved,
)
from integrations.request_budget import Priority, use_priority
from integrations.values import Identifier, Ticket, TicketId
from integrations.waits import exponential_wait
from jobs.effects.audit_records import describe_decision, describe_effect, name_error
from jobs.effects.columns import load_columns, refresh_if_renamed
from jobs.effects.gather import gather
from jobs.effects.perform import Context, perform, show_report
from jobs.effects.world import World, current_world
from jobs.loop.commands import Lane
from jobs.loop.policy import PolicyError
from jobs.loop.state import RUNNING, Loop, Stage
from jobs.messages.escalations import dead_letter_reason
from jobs.recovery.rebuild import OnBoard, read_board, replace_if_outdated, restore_from
from jobs.runtime import keys, notices, queues
from jobs.runtime.dead_processes import count_deaths
from jobs.runtime.freeze import POLL_SECONDS as FREEZE_POLL_SECONDS
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import LeaseLost
from jobs.store.dead_letters import GIVE_UP_AFTER, Box, DeadLetter, DeadLetters, ProcessDied, id_of
from jobs.store.queue_places import read_place
from jobs.store.tickets import Posted
from jobs.workflow import decide
from jobs.workflow.decision import is_still_wanted
from jobs.workflow.report import (
    INTERVAL,
    Report,
    compute_delay,
    is_due_before,
    parse_report,
    record_report,
    report_of,
)

CREDENTIALS_WAIT_SECONDS = 60.0
_OPENING = (TicketMoved, TicketDelegated, TicketMentioned)
"""Events with which a ticket becomes known."""
SLICE_STEPS, SLICE_SECONDS = 200, 20.0  # after which a busy ticket goes to the end of the queue
_log = structlog.get_logger(__name__)


def drive(ticket_id: TicketId) -> None:
    """RQ's entry: empty the ticket's mailbox and outboxes as far as possible now."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.DRIVE, ticket_id)
    with structlog.contextvars.bound_contextvars(ticket=ticket_id), hold(world.redis, ticket_id) as lease:
        if lease is None:
            return
        queues.cancel_delayed_wake(world.redis, ticket_id)
        load_columns(world)
        try:
            _Driver(ticket_id, lease, world).run()
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))


class _Driver:
    """Works on one ticket while it holds the lease."""

    def __init__(self, ticket_id: TicketId, lease: Lease, world: World) -> None:
        self._id, self._lease, self._world, self._store = ticket_id, lease, world, world.store
        self._loop: Loop | None = None  # loaded before each step

    def run(self) -> None:
        steps, until = 0, time.monotonic() + SLICE_SECONDS
        if count_deaths(self._world.redis, self._id) >= GIVE_UP_AFTER:
            self._bury_next_item()
        while not self._world.stopping.is_set():
            wait = self._step()
            if wait:
                queues.wake_ticket(self._world.redis, self._id, delay=wait)
                break
            if wait is None and self._store.release(self._lease, self._id):
                return
            steps += 1
            if steps >= SLICE_STEPS or time.monotonic() > until:
                self._store.release(self._lease, self._id, leave_work=True)
                queues.wake_ticket(self._world.redis, self._id)
                return
        self._store.release(self._lease, self._id, leave_work=True)

    def _step(self) -> float | None:
        """Perform or decide one item. 0: done, continue. None: nothing to do. Seconds: back off for that long.

        While a provider is unavailable or the service is frozen, outer commands wait, but events are still decided, so
        a stop or a thaw is never delayed."""
        self._loop = self._store.load(self._id)
        wait = max(self._world.redis.pttl(keys.retry_at(self._id)), 0) / 1000
        if self._loop and not wait and self._id not in self._world.compared:
            return self._compare_with_board(self._loop)
        if inner := self._next_command("inner"):
            return self._perform(inner, self._loop)
        if not wait:
            outer = self._next_command("outer")
            report, delay = self._find_outdated_report(self._loop) if self._loop else (None, 0.0)
            if (outer or report) and self._world.freeze.is_frozen():
                wait = FREEZE_POLL_SECONDS
            elif self._loop and report and not delay:
                return self._refresh(report, self._loop, is_blocking=outer is not None)
            elif outer:
                return self._perform(outer, self._loop)
            else:
                wait = delay
        decided = self._decide()
        return wait if wait and decided is None else decided

    def _compare_with_board(self, loop: Loop) -> float:
        """Once per process, before it acts on a ticket: Redis or the home folder can be from a backup."""
        compared = self._world.compared

        def compare() -> None:
            try:
                replace_if_outdated(loop, self._lease, self._world)
            except Unauthorized:
                raise
            except Rejected as error:
                _log.warning("loop not compared", ticket=loop.identifier, reason=str(error))
            compared.add(self._id)

        return self._attempt("outer", "board memory", compare, give_up=lambda _: compared.add(self._id))

    def _next_command(self, lane: Lane) -> Posted | None:
        """The head of an outbox. Commands of a newer release, which this one cannot parse, become dead letters."""
        while True:
            try:
                return self._store.next_command(self._id, lane)
            except ValidationError as error:
                self._bury(lane, "command", self._store.head(self._id, lane), error)

    def _find_outdated_report(self, loop: Loop) -> tuple[Report | None, float]:
        """The report to write, and after how many seconds; None while the ticket is up to date or commands come
        first."""
        if loop.generation == 0:
            return None, 0.0
        queued = read_place(self._world.redis, self._id, loop.run_id) if loop.stage in RUNNING else None
        check = self._world.runs.running_check(loop.run_id) if loop.stage is Stage.GATING else None
        report = report_of(loop, self._world.policy, queued, check)
        written = parse_report(self._store.last_report(loop.ticket.id))
        outbox = self._store.list_commands(loop.ticket.id, "outer")
        if report.digest == written.digest or not is_due_before(outbox):
            return None, 0.0
        if outbox:
            return report, 0.0
        delay = compute_delay(report, written, self._world.now())
        return report, max(delay, self._store.report_wait(loop.ticket.id))

    def _refresh(self, report: Report, loop: Loop, *, is_blocking: bool) -> float:
        """Write the report. There is no retry when the tracker rejects it, for example for a deleted ticket.

        `is_blocking`: commands wait for it, so it has their priority; otherwise it waits for the request allowance
        without delaying them."""
        exists = parse_report(self._store.last_report(self._id)).generation == report.generation

        def write() -> None:
            result = "done"
            try:
                with use_priority(Priority.MESSAGE if is_blocking else Priority.PROGRESS):
                    show_report(report, Context("report", loop.ticket, self._world, self._lease, loop), exists=exists)
            except OverBudget as error:
                if is_blocking:
                    raise
                self._store.defer_report(self._id, error.retry_after or INTERVAL)
                return
            except (Unavailable, Unauthorized):
                raise
            except IntegrationError as error:
                _log.warning("report rejected", ticket=loop.identifier, reason=str(error))
                result = name_error(error)
            digest = report.digest[:12]
            self._world.audit.record(
                kind="effect", ticket=loop.identifier, command="report", command_id=digest, result=result
            )
            self._store.mark_reported(self._id, record_report(report, self._world.now()))

        return self._attempt("outer", "report", write, give_up=lambda _: self._give_report_up(report))

    def _give_report_up(self, report: Report) -> None:
        self._store.mark_reported(self._id, record_report(report, self._world.now()))

    def _perform(self, posted: Posted, loop: Loop | None) -> float:
        assert loop, "an outbox without a loop"

        def execute() -> None:
            events: Sequence[Event] = ()
            result = "not wanted"
            try:
                if is_still_wanted(loop, posted.command):
                    events = perform(posted.command, Context(posted.id, loop.ticket, self._world, self._lease, loop))
                    result = "done"
            except (Unavailable, Unauthorized):
                raise
            except (IntegrationError, PolicyError) as error:
                events, result = (_command_failed(posted, loop, error, self._world.now()),), name_error(error)
            self._world.audit.record(**describe_effect(loop, posted.command, posted.id, result))
            self._store.complete_command(self._lease, self._id, posted, events)

        kind = posted.command.kind
        return self._attempt(posted.lane, kind, execute, lambda error: self._bury(posted.lane, kind, posted.raw, error))

    def _decide(self) -> float | None:
        raw = self._store.next_event(self._id)
        if raw is None:
            return None
        try:
            event = EVENT.decode(raw)
        except ValidationError as error:
            self._bury("mailbox", "event", raw, error)
            return 0.0
        return self._attempt(
            "mailbox",
            event.kind,
            lambda: self._settle(event, raw),
            lambda error: self._bury("mailbox", event.kind, raw, error),
        )

    def _settle(self, event: Event, raw: bytes) -> None:
        """Decide the event. Equal hints that directly follow it are older than its read, so they go too."""
        hint = isinstance(event, TicketMoved | TicketEdited)
        repeats = self._store.count_repeats(self._id) if hint else 0
        seen = None if self._loop else self._restore_from_board(event)
        before = self._loop
        move = seen.move if seen else None
        now = gather(event, self._world, move) if before or isinstance(event, _OPENING) else None
        if now is None:
            self._store.commit(self._lease, self._id, raw, None, (), repeats)
            return
        if isinstance(now, TicketMoved) and now.ticket:
            refresh_if_renamed(now.ticket, self._world)
        loop = before or Loop(
            ticket=getattr(now, "ticket", None) or Ticket(id=self._id, identifier=Identifier(""), title="")
        )
        decision = decide(loop, now, self._world.policy)
        self._world.audit.record(**describe_decision(loop, now, decision))
        is_new = before is None and decision.loop.stage is Stage.IDLE and not decision.commands
        changed = None if is_new else decision.loop
        self._store.commit(self._lease, self._id, raw, changed, decision.commands, repeats)
        self._world.compared.add(self._id)
        if changed and (before is None or before.stage is not changed.stage):
            _log.info("stage", ticket=changed.identifier, stage=changed.stage.value, event_kind=event.kind)

    def _restore_from_board(self, event: Event) -> OnBoard | None:
        """Before a ticket counts as new: its loop may be missing in Redis and stored on the board. Returns the ticket,
        if it was read."""
        if not isinstance(event, (*_OPENING, TicketCommented)):
            return None
        found = None
        try:
            if found := read_board(self._id, self._world, event if isinstance(event, TicketMoved) else None):
                restore_from(found, self._lease, self._world)
        except Unauthorized:
            raise  # the board memory may exist although it cannot be read now
        except Rejected as error:
            _log.warning("loop not rebuilt", reason=str(error))
        self._loop = self._store.load(self._id)
        return found

    def _attempt(self, box: Box, kind: str, action: Callable[[], None], give_up: Callable[[Exception], None]) -> float:
        """Run `action`; returns the seconds to wait before the next step. Calls `give_up` after the last attempt."""
        try:
            action()
        except Frozen:
            return 0.0  # the next step waits for the thaw
        except (Unavailable, Unauthorized) as error:
            return self._back_off(box, kind, error)
        except (LeaseLost, RedisError):
            raise  # not the item's fault: the next worker retries it
        except Exception as error:
            if pause := pause_when_exhausted(error):
                return self._back_off(box, kind, pause)
            failures = self._store.count_failure(self._id, kind)
            _log.exception("unexpected error", item=kind, failures=failures)
            if self._world.raise_faults:
                raise
            if failures < GIVE_UP_AFTER:
                return 0.5 * 2.0**failures
            give_up(error)
        return 0.0

    def _back_off(self, box: Box, kind: str, error: Unavailable | Unauthorized) -> float:
        """Returns the seconds to wait before the next step; commands wait apart, while events are decided."""
        wait = self._wait_for_provider(kind, error)
        if box == "mailbox":
            return wait
        self._world.redis.set(keys.retry_at(self._id), 1, px=max(int(wait * 1000), 1))
        return 0.0

    def _wait_for_provider(self, item: str, error: Unavailable | Unauthorized) -> float:
        if isinstance(error, Unauthorized):
            if notices.post_refused_credentials(self._world.redis, str(error), 3 * CREDENTIALS_WAIT_SECONDS):
                _log.error("credentials rejected, will retry", reason=str(error))
            return CREDENTIALS_WAIT_SECONDS
        failures = self._store.count_failure(self._id, item)
        wait = error.retry_after or exponential_wait(failures, 0.5, 60.0)
        shortened = {} if error.retry_after == error.requested else {"requested_seconds": error.requested}
        facts = {"item": item, "reason": str(error), "failures": failures, "wait_seconds": wait, **shortened}
        _log.warning("provider unavailable, will retry", **facts)
        return wait

    def _bury_next_item(self) -> None:
        """Bury the item that `_step` would take next, because a process that dies does not report its item."""
        waits = self._world.redis.exists(keys.retry_at(self._id))
        boxes: list[tuple[Box, bytes | None]] = [
            ("inner", self._store.head(self._id, "inner")),
            ("outer", None if waits else self._store.head(self._id, "outer")),
            ("mailbox", self._store.next_event(self._id)),
        ]
        self._loop = self._store.load(self._id)
        for box, raw in boxes:
            if raw:
                item = json.loads(raw)
                kind = (item.get("command") or item).get("kind", box)
                self._bury(box, kind, raw, ProcessDied())
                return

    def _bury(self, box: Box, kind: str, raw: bytes, error: Exception) -> None:
        """Move the item to the dead letters and report it as a failed command, except when reporting is what failed."""
        letter = DeadLetter(
            id=id_of(self._id, box, raw),
            box=box,
            kind=kind,
            cause=f"{type(error).__name__}: {error}",
            at=self._world.now(),
            ticket_id=self._id,
            identifier=self._loop.identifier if self._loop else "",
            item=raw.decode(),
        )
        _log.error("moved to dead letters", item=kind, id=letter.id, cause=letter.cause)
        failed: CommandFailed | None = None
        if self._loop and kind != CommandFailed.__name__:
            fault = str(error) if isinstance(error, IntegrationError) else type(error).__name__
            failed = CommandFailed(
                event_id=f"dead:{letter.id}",
                ticket_id=self._id,
                at=letter.at,
                generation=self._loop.generation if letter.generation is None else letter.generation,
                command=kind,
                reason=dead_letter_reason(kind, fault, letter.id),
                put_aside=True,
            )
        about = {"ticket": letter.identifier, "item": kind, "id": letter.id, "cause": type(error).__name__}
        self._world.audit.record(kind="dead letter", **about)
        DeadLetters(self._world.redis).bury(self._lease, letter, failed)


def _command_failed(posted: Posted, loop: Loop, error: Exception, at: float) -> CommandFailed:
    reason = str(error)
    _log.warning("command rejected", ticket=loop.identifier, command=posted.command.kind, reason=reason)
    return CommandFailed(
        event_id=f"{posted.id}/refused",
        ticket_id=loop.ticket.id,
        at=at,
        generation=getattr(posted.command, "generation", loop.generation),
        command=posted.command.kind,
        reason=reason,
        problem=error.kind if isinstance(error, Misconfigured) else "",
    )
