"""Mailbox and outboxes in Redis of a ticket, or of a repository's automations. `tickets` and `automations` add the
state.

Every change by a worker is one atomic script under a fencing token (`jobs/runtime/lua/`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from pydantic import ValidationError
from redis import Redis

from integrations.event_base import BaseEvent
from integrations.values import Codec, RunId, TicketId
from jobs.loop.commands import Lane
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script

MAILBOX_LIMIT = 20_000  # events
E = TypeVar("E", bound=BaseEvent)
C = TypeVar("C")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Posted(Generic[C]):
    """A command in the outbox. `id` is the same for every retry; `raw` is its exact bytes in the list."""

    id: str
    command: C
    lane: Lane
    raw: bytes


class Mailboxes(Generic[E, C]):
    """All mailboxes of one kind of event and command."""

    def __init__(self, redis: Redis, events: Codec[E], commands: Codec[C], lane_of: Callable[[C], Lane]) -> None:
        self.redis = redis
        self.events, self.commands, self._lane_of = events, commands, lane_of

    def deliver(self, event: E) -> bool:
        """Put an event into its mailbox. Idempotent: False, without effect, for a known event id.

        False also while the mailbox is full: the sweep finds moves, comments and reviews again."""
        t = event.ticket_id
        args: list[str | int] = [event.event_id, self.events.encode(event), t, MAILBOX_LIMIT]
        result = run_script(self.redis, "deliver", [keys.known_events(t), keys.mailbox(t), keys.READY], args)
        if result == -1:
            _log.warning("mailbox full, event dropped", ticket=t, event_id=event.event_id, limit=MAILBOX_LIMIT)
        return int(result) == 1

    def is_known(self, event: E) -> bool:
        """Whether the event is in its mailbox, or was decided."""
        return bool(self.redis.sismember(keys.known_events(event.ticket_id), event.event_id))

    def next_event(self, ticket_id: TicketId) -> bytes | None:
        """The exact bytes at the head of the mailbox."""
        head = self.redis.lindex(keys.mailbox(ticket_id), 0)
        return None if head is None else decode(head).encode()

    def next_command(self, ticket_id: TicketId, lane: Lane) -> Posted[C] | None:
        """The head of an outbox. Raises `pydantic.ValidationError` when this release cannot parse it."""
        raw = self.head(ticket_id, lane)
        if not raw:
            return None
        envelope = json.loads(raw)
        return Posted(envelope["id"], self.commands.from_builtins(envelope["command"]), lane, raw)

    def parse_command(self, envelope: str) -> C | None:
        """The command of an entry of an outbox; None if this release cannot parse it."""
        with suppress(ValidationError):
            return self.commands.from_builtins(json.loads(envelope)["command"])
        return None

    def head(self, ticket_id: TicketId, lane: Lane) -> bytes:
        """The exact bytes at the head of an outbox, empty when there is none."""
        return decode(self.redis.lindex(keys.outbox(ticket_id, lane), 0) or b"").encode()

    def list_commands(self, ticket_id: TicketId, lane: Lane) -> list[C]:
        """All commands of an outbox that this release can parse, the head first."""
        entries = self.redis.lrange(keys.outbox(ticket_id, lane), 0, -1)
        return [command for raw in entries if (command := self.parse_command(decode(raw)))]

    def complete_command(self, lease: Lease, ticket_id: TicketId, posted: Posted[C], events: Iterable[E]) -> None:
        """Remove the command from the outbox and put the events it caused into the mailbox."""
        t, outbox = ticket_id, keys.outbox(ticket_id, posted.lane)
        names = [keys.lease(t), outbox, keys.known_events(t), keys.mailbox(t), keys.failures(t)]
        run_script(self.redis, "performed", names, [lease.token, posted.raw, *self._encode_pairs(events)])

    def release(self, lease: Lease, ticket_id: TicketId, *, leave_work: bool = False) -> bool:
        """Release the lease; False when there is new work, so that the holder has to continue."""
        t = ticket_id
        lists = [keys.mailbox(t), keys.outbox(t, "inner"), keys.outbox(t, "outer")]
        args = [lease.token, t, "rest" if leave_work else ""]
        return bool(run_script(self.redis, "release", [keys.lease(t), *lists, keys.READY], args))

    def count_failure(self, ticket_id: TicketId | RunId, item: str) -> int:
        """Count a failure of the item at the head; returns how often it has failed in a row."""
        count = self.redis.hincrby(keys.failures(ticket_id), item, 1)
        self.redis.expire(keys.failures(ticket_id), 86_400)
        return int(count)

    def _commit(
        self,
        lease: Lease,
        ticket_id: TicketId,
        raw: bytes,
        place: tuple[str, str],
        state: str,
        due_at: float,
        commands: Sequence[C],
        repeats: int = 0,
    ) -> None:
        """Remove the decided event and its `repeats` from the mailbox, save the new state below the key and in the set
        of `place`, and post the commands. An empty state keeps the present one."""
        inner, outer = self._envelopes(self.events.decode(raw).event_id, commands)
        t, (key, members) = ticket_id, place
        outboxes = [keys.outbox(t, "inner"), keys.outbox(t, "outer")]
        names = [keys.lease(t), keys.mailbox(t), key, *outboxes, members, keys.failures(t), keys.DUE]
        head: list[str | bytes | int | float] = [lease.token, raw, state, t, repeats, due_at, len(inner)]
        run_script(self.redis, "commit", names, [*head, *inner, *outer])

    def _envelopes(self, origin: str, commands: Sequence[C]) -> tuple[list[str], list[str]]:
        """The JSON entries of the inner and the outer outbox."""
        found: dict[Lane, list[str]] = {"inner": [], "outer": []}
        for n, command in enumerate(commands):
            envelope = {"id": f"{origin}/{n}", "command": self.commands.to_builtins(command)}
            found[self._lane_of(command)].append(json.dumps(envelope, ensure_ascii=False))
        return found["inner"], found["outer"]

    def _encode_pairs(self, events: Iterable[E]) -> list[str]:
        return [part for event in events for part in (event.event_id, self.events.encode(event))]
