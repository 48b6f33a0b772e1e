"""Works one mailbox off under its lease: retries, backoff and dead letters. The base of `jobs.drive` (tickets) and
`jobs.automate` (automations of a repository).

All failures of events and commands are handled here: `Unavailable` and `Unauthorized` are retried with backoff,
`Rejected` becomes an event, and any other exception is an unexpected error. After five of those, or after five
processes died at it, the item becomes a dead letter.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from integrations.disk import pause_when_exhausted
from integrations.errors import Frozen, IntegrationError, Unauthorized, Unavailable
from integrations.events import CommandFailed
from integrations.values import TicketId
from integrations.waits import exponential_wait
from jobs.effects.columns import load_columns
from jobs.effects.world import World, current_world
from jobs.loop.commands import Lane
from jobs.messages.escalations import dead_letter_reason
from jobs.runtime import keys, notices, queues
from jobs.runtime.dead_processes import count_deaths
from jobs.runtime.freeze import POLL_SECONDS as FREEZE_POLL_SECONDS
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import LeaseLost
from jobs.store.dead_letters import GIVE_UP_AFTER, Box, DeadLetter, DeadLetters, ProcessDied, id_of
from jobs.store.mailboxes import C, E, Mailboxes, Posted

CREDENTIALS_WAIT_SECONDS = 60.0
SLICE_STEPS, SLICE_SECONDS = 200, 20.0  # after which a busy ticket goes to the end of the queue
_log = structlog.get_logger(__name__)


def work_off(
    mailbox: TicketId, job: str, driver: Callable[[TicketId, Lease, World], MailboxDriver[Any, Any]], **context: str
) -> None:
    """Empty the mailbox and its outboxes as far as possible now, unless another worker has its lease. `job` is the name
    of the wake-up, `context` is bound to the log."""
    world = current_world()
    queues.clear_wake_flag(world.redis, job, mailbox)
    with structlog.contextvars.bound_contextvars(**context), hold(world.redis, mailbox) as lease:
        if lease is None:
            return
        queues.cancel_delayed_wake(world.redis, mailbox)
        load_columns(world)
        try:
            driver(mailbox, lease, world).run()
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))


class MailboxDriver(ABC, Generic[E, C]):
    """Works on one mailbox while it holds the lease."""

    def __init__(self, ticket_id: TicketId, lease: Lease, world: World, boxes: Mailboxes[E, C]) -> None:
        self._id, self._lease, self._world, self._boxes = ticket_id, lease, world, boxes

    @abstractmethod
    def _load(self) -> None:
        """Load the state before each step."""

    @abstractmethod
    def _identifier(self) -> str:
        """The name for people of the ticket or repository, empty without a state."""

    @abstractmethod
    def _execute(self, posted: Posted[C]) -> None:
        """Perform a command and remove it from its outbox, with the events it caused."""

    @abstractmethod
    def _settle(self, event: E, raw: bytes) -> None:
        """Decide the event and commit the decision."""

    @abstractmethod
    def _build_failure(self, letter: DeadLetter, reason: str) -> CommandFailed | None:
        """The event that reports a dead letter; None without a state."""

    def _prepare(self) -> float | None:
        """Act before the next item; None if there is nothing to do."""
        return None

    def _find_refresh(self) -> tuple[Callable[[bool], float] | None, float]:
        """A report to write and after how many seconds; it is called with whether a command waits for it."""
        return None, 0.0

    def run(self) -> None:
        """Empty mailbox and outboxes as far as possible now."""
        steps, until = 0, time.monotonic() + SLICE_SECONDS
        if count_deaths(self._world.redis, self._id) >= GIVE_UP_AFTER:
            self._bury_next_item()
        while not self._world.stopping.is_set():
            wait = self._step()
            if wait:
                queues.wake_ticket(self._world.redis, self._id, delay=wait)
                break
            if wait is None and self._boxes.release(self._lease, self._id):
                return
            steps += 1
            if steps >= SLICE_STEPS or time.monotonic() > until:
                self._boxes.release(self._lease, self._id, leave_work=True)
                queues.wake_ticket(self._world.redis, self._id)
                return
        self._boxes.release(self._lease, self._id, leave_work=True)

    def _step(self) -> float | None:
        """Perform or decide one item. 0: done, continue. None: nothing to do. Seconds: back off for that long.

        While a provider is unavailable or the service is frozen, outer commands wait, but events are still decided, so
        a stop or a thaw is never delayed."""
        self._load()
        wait = max(self._world.redis.pttl(keys.retry_at(self._id)), 0) / 1000
        if not wait and (prepared := self._prepare()) is not None:
            return prepared
        if inner := self._next_command("inner"):
            return self._perform(inner)
        if not wait:
            outer = self._next_command("outer")
            refresh, delay = self._find_refresh()
            if (outer or refresh) and self._world.freeze.is_frozen():
                wait = FREEZE_POLL_SECONDS
            elif refresh and not delay:
                return refresh(outer is not None)
            elif outer:
                return self._perform(outer)
            else:
                wait = delay
        decided = self._decide()
        return wait if wait and decided is None else decided

    def _next_command(self, lane: Lane) -> Posted[C] | None:
        """The head of an outbox. Commands of a newer release, which this one cannot parse, become dead letters."""
        while True:
            try:
                return self._boxes.next_command(self._id, lane)
            except ValidationError as error:
                self._bury(lane, "command", self._boxes.head(self._id, lane), error)

    def _perform(self, posted: Posted[C]) -> float:
        kind = type(posted.command).__name__
        return self._attempt(
            posted.lane,
            kind,
            lambda: self._execute(posted),
            lambda error: self._bury(posted.lane, kind, posted.raw, error),
        )

    def _decide(self) -> float | None:
        raw = self._boxes.next_event(self._id)
        if raw is None:
            return None
        try:
            event = self._boxes.events.decode(raw)
        except ValidationError as error:
            self._bury("mailbox", "event", raw, error)
            return 0.0
        kind = type(event).__name__
        return self._attempt(
            "mailbox", kind, lambda: self._settle(event, raw), lambda error: self._bury("mailbox", kind, raw, error)
        )

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
            failures = self._boxes.count_failure(self._id, kind)
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
        failures = self._boxes.count_failure(self._id, item)
        wait = error.retry_after or exponential_wait(failures, 0.5, 60.0)
        shortened = {} if error.retry_after == error.requested else {"requested_seconds": error.requested}
        facts = {"item": item, "reason": str(error), "failures": failures, "wait_seconds": wait, **shortened}
        _log.warning("provider unavailable, will retry", **facts)
        return wait

    def _bury_next_item(self) -> None:
        """Bury the item that `_step` would take next, because a process that dies does not report its item."""
        waits = self._world.redis.exists(keys.retry_at(self._id))
        boxes: list[tuple[Box, bytes | None]] = [
            ("inner", self._boxes.head(self._id, "inner")),
            ("outer", None if waits else self._boxes.head(self._id, "outer")),
            ("mailbox", self._boxes.next_event(self._id)),
        ]
        self._load()
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
            identifier=self._identifier(),
            item=raw.decode(),
        )
        _log.error("moved to dead letters", item=kind, id=letter.id, cause=letter.cause)
        failed: CommandFailed | None = None
        if kind != CommandFailed.__name__:
            fault = str(error) if isinstance(error, IntegrationError) else type(error).__name__
            failed = self._build_failure(letter, dead_letter_reason(kind, fault, letter.id))
        about = {"ticket": letter.identifier, "item": kind, "id": letter.id, "cause": type(error).__name__}
        self._world.audit.record(kind="dead letter", **about)
        DeadLetters(self._world.redis).bury(self._lease, letter, failed)
