"""What we remember of tickets, in Redis: loops, mailboxes, outboxes. Called by the jobs; it decides nothing.

Every change of a loop is one script under the ticket's fencing token (`jobs/runtime/lua/`), so a crash leaves either
all of it or none. Bytes in, values out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError
from redis import Redis

from integrations.events import EVENT, Event
from integrations.values import RunId, TicketId
from jobs.loop.commands import COMMAND, Command, Lane, lane_of
from jobs.loop.state import LOOP, Loop, Stage
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script

KEPT_SECONDS = 30 * 86_400  # how long what has ended is remembered
LANES: tuple[Lane, ...] = ("inner", "outer")


@dataclass(frozen=True)
class Posted:
    """A command in the outbox. `id` is the same however often it is tried; `raw` is its exact bytes in the list."""

    id: str
    command: Command
    lane: Lane
    raw: bytes


class Store:
    """The tickets' memory in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def load(self, ticket_id: TicketId) -> Loop | None:
        """The loop, None when there never was one."""
        raw = self.redis.get(keys.loop(ticket_id))
        return LOOP.decode(raw) if raw else None

    def loops(self) -> list[Loop]:
        """Every loop there is that this release can read, in no order."""
        ids = [TicketId(decode(t)) for t in self.redis.smembers(keys.LOOPS)]
        found = []
        for t, raw in zip(ids, self.redis.mget([keys.loop(t) for t in ids]) if ids else [], strict=True):
            if raw is None:
                self.redis.srem(keys.LOOPS, t)
                continue
            with suppress(ValidationError):
                found.append(LOOP.decode(raw))
        return found

    def deliver(self, event: Event) -> bool:
        """Put an event into its ticket's mailbox; False when it was there before."""
        t = event.ticket_id
        args = [event.event_id, EVENT.encode(event), t]
        return bool(run_script(self.redis, "deliver", [keys.known_events(t), keys.mailbox(t), keys.READY], args))

    def mark_known(self, ticket_id: TicketId, event_ids: Iterable[str]) -> None:
        """These events were decided before, by a memory that is lost."""
        if ids := list(event_ids):
            self.redis.sadd(keys.known_events(ticket_id), *ids)

    def next_event(self, ticket_id: TicketId) -> bytes | None:
        """The head of the mailbox as it lies there."""
        head = self.redis.lindex(keys.mailbox(ticket_id), 0)
        return None if head is None else decode(head).encode()

    def commit(
        self, lease: Lease, ticket_id: TicketId, raw: bytes, loop: Loop | None, commands: Sequence[Command]
    ) -> None:
        """The event is decided: new state, its commands posted, event gone. `loop` None keeps the state."""
        event_id = EVENT.decode(raw).event_id
        inner, outer = _posted(event_id, commands)
        t = ticket_id
        run_script(
            self.redis,
            "commit",
            [
                keys.lease(t),
                keys.mailbox(t),
                keys.loop(t),
                keys.outbox(t, "inner"),
                keys.outbox(t, "outer"),
                keys.LOOPS,
                keys.failures(t),
            ],
            [lease.token, raw, LOOP.encode(loop) if loop else "", t, len(inner), *inner, *outer],
        )
        if loop and loop.stage is Stage.DONE:
            self._let_go(loop)

    def _let_go(self, loop: Loop) -> None:
        """A loop that is done is forgotten after a while; the board remembers it for good."""
        t, repository = loop.ticket.id, loop.workspace.repository
        places = [
            keys.branch(repository, loop.workspace.branch),
            keys.pull_request(repository, loop.pull_request.number),
        ]
        for key in (keys.loop(t), keys.report(t), keys.known_events(t), keys.runs_of(t), keys.fence(t), *places):
            self.redis.expire(key, KEPT_SECONDS)

    def restore(self, loop: Loop, origin: str, commands: Sequence[Command], events: Iterable[Event]) -> bool:
        """A loop that was rebuilt enters with what it has to do and to read; False when it is remembered already.

        The commands' ids are made from `origin`, as if it were an event."""
        t = loop.ticket.id
        inner, outer = _posted(origin, commands)
        pairs = [part for event in events for part in (event.event_id, EVENT.encode(event))]
        boxes = [keys.mailbox(t), keys.outbox(t, "inner"), keys.outbox(t, "outer")]
        args: list[str | bytes | int | float] = [LOOP.encode(loop), t, len(inner), len(outer)]
        names = [keys.loop(t), keys.LOOPS, keys.known_events(t), *boxes, keys.READY]
        restored = bool(run_script(self.redis, "restore", names, [*args, *inner, *outer, *pairs]))
        if restored and loop.stage is Stage.DONE:
            self._let_go(loop)
        return restored

    def next_command(self, ticket_id: TicketId, lane: Lane) -> Posted | None:
        """The head of an outbox. Raises `pydantic.ValidationError` when this release does not know it."""
        raw = self.head(ticket_id, lane)
        if not raw:
            return None
        envelope = json.loads(raw)
        return Posted(envelope["id"], COMMAND.from_builtins(envelope["command"]), lane, raw)

    def head(self, ticket_id: TicketId, lane: Lane) -> bytes:
        """The head of an outbox as it lies there, empty when there is none."""
        return decode(self.redis.lindex(keys.outbox(ticket_id, lane), 0) or b"").encode()

    def waiting(self, ticket_id: TicketId, lane: Lane) -> list[Command]:
        """All commands of an outbox that this release knows, the head first."""
        found = []
        for raw in self.redis.lrange(keys.outbox(ticket_id, lane), 0, -1):
            with suppress(ValidationError):
                found.append(COMMAND.from_builtins(json.loads(raw)["command"]))
        return found

    def performed(self, lease: Lease, ticket_id: TicketId, posted: Posted, events: Iterable[Event]) -> None:
        """The command is done: it leaves the outbox, what it brought about enters the mailbox."""
        t = ticket_id
        pairs = [part for event in events for part in (event.event_id, EVENT.encode(event))]
        run_script(
            self.redis,
            "performed",
            [keys.lease(t), keys.outbox(t, posted.lane), keys.known_events(t), keys.mailbox(t), keys.failures(t)],
            [lease.token, posted.raw, *pairs],
        )

    def reported(self, ticket_id: TicketId) -> str:
        """Digest of the last report that was written to the ticket, empty when there is none."""
        return decode(self.redis.get(keys.report(ticket_id)) or b"")

    def mark_reported(self, ticket_id: TicketId, digest: str) -> None:
        """This report is on the ticket, or will never be."""
        self.redis.set(keys.report(ticket_id), digest, keepttl=True)
        self.redis.hdel(keys.failures(ticket_id), "report")

    def release(self, lease: Lease, ticket_id: TicketId, *, leave_work: bool = False) -> bool:
        """Give the ticket back; False when there is work again and the holder has to go on."""
        t = ticket_id
        lists = [keys.mailbox(t), keys.outbox(t, "inner"), keys.outbox(t, "outer")]
        args = [lease.token, t, "rest" if leave_work else ""]
        return bool(run_script(self.redis, "release", [keys.lease(t), *lists, keys.READY], args))

    def failed(self, ticket_id: TicketId | RunId, item: str) -> int:
        """Count a failure of the item at the head; returns how often it has failed in a row."""
        count = self.redis.hincrby(keys.failures(ticket_id), item, 1)
        self.redis.expire(keys.failures(ticket_id), 86_400)
        return int(count)


def _posted(origin: str, commands: Sequence[Command]) -> tuple[list[str], list[str]]:
    """What enters the inner and the outer outbox."""
    posted = [(lane_of(c), _envelope(f"{origin}/{n}", c)) for n, c in enumerate(commands)]
    return [text for lane, text in posted if lane == "inner"], [text for lane, text in posted if lane == "outer"]


def _envelope(command_id: str, command: Command) -> str:
    return json.dumps({"id": command_id, "command": COMMAND.to_builtins(command)}, ensure_ascii=False)
