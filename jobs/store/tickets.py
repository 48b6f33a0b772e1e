"""State of tickets in Redis: loops, and who waits for what. Called by the jobs.

Every change of a loop is one atomic script under the ticket's fencing token (`jobs/runtime/lua/`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import takewhile
from typing import Any

from pydantic import ValidationError
from redis import Redis

from integrations.events import EVENT, Event
from integrations.values import TicketId
from jobs.loop.commands import COMMAND, Command, lane_of
from jobs.loop.state import LOOP, Loop, Stage
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script
from jobs.store.mailboxes import Mailboxes

KEPT_SECONDS = 30 * 86_400  # retention of loops and runs that have ended


class Store(Mailboxes[Event, Command]):
    """All tickets in one Redis."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis, EVENT, COMMAND, lane_of)

    def load(self, ticket_id: TicketId) -> Loop | None:
        """The loop, or None."""
        raw = self.redis.get(keys.loop(ticket_id))
        return LOOP.decode(raw) if raw else None

    def loops(self) -> list[Loop]:
        """All loops that this release can parse, in no order."""
        ids = [TicketId(decode(t)) for t in self.redis.smembers(keys.LOOPS)]
        found = []
        for t, raw in zip(ids, self.redis.mget([keys.loop(t) for t in ids]) if ids else [], strict=True):
            if raw is None:
                self.redis.srem(keys.LOOPS, t)
                continue
            with suppress(ValidationError):
                found.append(LOOP.decode(raw))
        return found

    def list_waiting(self, ticket_id: TicketId, kind: str) -> list[Event]:
        """The events of this kind that are not decided yet, the oldest first."""
        raw: Any = self.redis.lrange(keys.mailbox(ticket_id), 0, -1)
        return [EVENT.decode(one) for one in raw if json.loads(one).get("kind") == kind]

    def watch_base(self, ticket_id: TicketId, repository: str, branch: str) -> None:
        """Let the next commit on this base branch be an event of the ticket."""
        key = keys.base_branch(repository, branch)
        self.redis.sadd(key, ticket_id)
        self.redis.expire(key, KEPT_SECONDS)

    def may_report_notes(self, ticket_id: TicketId, repository: str, notes: Sequence[str]) -> bool:
        """Whether this ticket is the one that reports these notes on the repository's policy: the first that asks."""
        if not notes:
            return False
        key = keys.policy_notes(repository, sha256("\n".join(notes).encode()).hexdigest()[:16])
        self.redis.set(key, ticket_id, nx=True)
        return decode(self.redis.get(key) or b"") == ticket_id

    def take_watchers(self, repository: str, branch: str) -> list[TicketId]:
        """The tickets that watch this base branch, once; their next preparation adds them again."""
        key = keys.base_branch(repository, branch)
        found: Any = self.redis.smembers(key)
        if found:
            self.redis.srem(key, *found)
        return sorted(TicketId(decode(member)) for member in found)

    def watch_ticket(self, ticket_id: TicketId, watched: TicketId) -> None:
        """Let the next move of the ticket `watched` be an event of this one."""
        key = keys.ticket_watchers(watched)
        self.redis.sadd(key, ticket_id)
        self.redis.expire(key, KEPT_SECONDS)

    def take_ticket_watchers(self, watched: TicketId) -> list[TicketId]:
        """The tickets that wait for this one, once; they watch it again if they still wait."""
        found: Any = self.redis.smembers(key := keys.ticket_watchers(watched))
        if found:
            self.redis.srem(key, *found)
        return sorted(TicketId(decode(member)) for member in found)

    def mark_known(self, ticket_id: TicketId, event_ids: Iterable[str]) -> None:
        """Mark events as decided, so that they are deduplicated. Used when Redis was lost since."""
        if ids := list(event_ids):
            self.redis.sadd(keys.known_events(ticket_id), *ids)

    def has_known_events(self, ticket_id: TicketId) -> bool:
        """Whether events of the ticket are known; not after a long time, which a clock can also pretend."""
        return bool(self.redis.exists(keys.known_events(ticket_id)))

    def count_repeats(self, ticket_id: TicketId) -> int:
        """The number of events of the head's kind and author that directly follow it, at most 1,000."""
        head, *following = [json.loads(raw) for raw in self.redis.lrange(keys.mailbox(ticket_id), 0, 1_000)] or [{}]
        same = [(event.get("kind"), event.get("by"), event.get("order_only")) for event in (head, *following)]
        return len(list(takewhile(lambda one: one == same[0], same[1:])))

    def commit(
        self,
        lease: Lease,
        ticket_id: TicketId,
        raw: bytes,
        loop: Loop | None,
        commands: Sequence[Command],
        repeats: int = 0,
    ) -> None:
        """Remove the decided event and its `repeats` from the mailbox, save the new state and post its commands. None
        keeps the state."""
        place = (keys.loop(ticket_id), keys.LOOPS)
        state, due_at = (LOOP.encode(loop), loop.due_at) if loop else ("", 0.0)
        self._commit(lease, ticket_id, raw, place, state, due_at, commands, repeats)
        if loop and loop.stage is Stage.DONE:
            self._expire(loop)

    def _expire(self, loop: Loop) -> None:
        """Let the keys of a loop that is done expire; the board memory stays."""
        t, repository = loop.ticket.id, loop.workspace.repository
        branch, number = loop.workspace.branch, loop.pull_request.number
        index = [keys.branch(repository, branch), keys.pull_request(repository, number)]
        for key in (keys.loop(t), keys.report(t), keys.known_events(t), keys.runs_of(t), keys.fence(t), *index):
            self.redis.expire(key, KEPT_SECONDS)

    def restore(self, loop: Loop, origin: str, commands: Sequence[Command], events: Iterable[Event]) -> bool:
        """Create a rebuilt loop with its commands and events; False, without effect, when the loop exists.

        The commands' ids are made from `origin`, as from an event id."""
        t = loop.ticket.id
        inner, outer = self._envelopes(origin, commands)
        boxes = [keys.mailbox(t), keys.outbox(t, "inner"), keys.outbox(t, "outer")]
        args: list[str | bytes | int | float] = [LOOP.encode(loop), t, loop.due_at, len(inner), len(outer)]
        names = [keys.loop(t), keys.LOOPS, keys.known_events(t), *boxes, keys.READY, keys.DUE]
        restored = bool(run_script(self.redis, "restore", names, [*args, *inner, *outer, *self._encode_pairs(events)]))
        if restored and loop.stage is Stage.DONE:
            self._expire(loop)
        return restored

    def forget(self, lease: Lease, ticket_id: TicketId) -> None:
        """Delete the loop with all that is pending, so that it can be restored from the board."""
        t = ticket_id
        boxes = [keys.mailbox(t), keys.outbox(t, "inner"), keys.outbox(t, "outer")]
        own = [keys.loop(t), *boxes, keys.known_events(t), keys.report(t), keys.failures(t)]
        run_script(self.redis, "forget_loop", [keys.lease(t), keys.LOOPS, keys.DUE, *own], [lease.token, t])

    def last_report(self, ticket_id: TicketId) -> str:
        """The record of the report that was written last, empty when there is none."""
        return decode(self.redis.get(keys.report(ticket_id)) or b"")

    def mark_reported(self, ticket_id: TicketId, record: str) -> None:
        """Note a report as written, or as rejected for good."""
        self.redis.set(keys.report(ticket_id), record, keepttl=True)
        self.redis.hdel(keys.failures(ticket_id), "report")

    def defer_report(self, ticket_id: TicketId, seconds: float) -> None:
        """Let the next report wait, while messages are still sent."""
        self.redis.set(keys.report_wait(ticket_id), 1, px=max(int(seconds * 1000), 1))

    def report_wait(self, ticket_id: TicketId) -> float:
        """The rest of that time in seconds."""
        return max(self.redis.pttl(keys.report_wait(ticket_id)), 0) / 1000
