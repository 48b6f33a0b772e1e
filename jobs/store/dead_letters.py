"""Dead letters: items that failed too often or cannot be parsed, kept with their cause until a person redrives them.

Buried by `jobs.mailbox_driver` (events, commands) and `jobs.inbox.dispatch` (deliveries), listed and redriven by the
command line. Both moves between a list and the dead letters are atomic.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Literal

import structlog
from pydantic import Field
from redis import Redis

from integrations.events import EVENT, CommandFailed
from integrations.values import Codec, TicketId, value
from jobs.runtime import keys, queues
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script

GIVE_UP_AFTER = 5
MAX_BYTES = 512 * 2**20  # of Redis's memory; one delivery of GitHub can have 25 MB
Box = Literal["mailbox", "inner", "outer", "inbox"]
_log = structlog.get_logger(__name__)


class ProcessDied(Exception):
    """The cause of a dead letter that no process survived."""

    def __init__(self) -> None:
        super().__init__(f"{GIVE_UP_AFTER} processes died at it, one after another")


@value
class DeadLetter:
    """One item. `box` is its list, `item` its exact text there (a delivery's fields are in `fields`), `at` the time in
    Unix seconds."""

    id: str
    box: Box
    kind: str
    cause: str
    at: float
    ticket_id: TicketId = TicketId("")
    identifier: str = ""
    item: str = ""
    fields: Mapping[str, str] = Field(default_factory=dict)

    @property
    def generation(self) -> int | None:
        """The loop's generation that a command belongs to, if any."""
        found = json.loads(self.item)["command"].get("generation") if self.box in ("inner", "outer") else None
        return found if isinstance(found, int) else None

    @property
    def where(self) -> str:
        """The key of its list."""
        if self.box == "inbox":
            return keys.INBOX
        return keys.mailbox(self.ticket_id) if self.box == "mailbox" else keys.outbox(self.ticket_id, self.box)


LETTER: Codec[DeadLetter] = Codec(DeadLetter)


def id_of(*parts: str | bytes) -> str:
    """A deterministic id, so burying the same item twice is idempotent: 12 hex digits."""
    whole = b"\0".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return hashlib.sha256(whole).hexdigest()[:12]


class DeadLetters:
    """All dead letters in one Redis; beyond `limit` letters or `max_bytes` the oldest are dropped."""

    def __init__(self, redis: Redis, limit: int = 10_000, max_bytes: int = MAX_BYTES) -> None:
        self.redis = redis
        self._limit, self._max_bytes = limit, max_bytes

    def all(self) -> list[DeadLetter]:
        """All letters, the oldest first."""
        found = [LETTER.decode(raw) for raw in self.redis.hvals(keys.DEAD_LETTERS)]
        return sorted(found, key=lambda letter: letter.at)

    def bury(self, lease: Lease, letter: DeadLetter, failed: CommandFailed | None) -> None:
        """Move the head of a ticket's list to the dead letters; `failed` enters the mailbox, once per letter."""
        t = letter.ticket_id
        boxes = [letter.where, keys.known_events(t), keys.mailbox(t), keys.failures(t), keys.DEAD_LETTERS]
        event = [failed.event_id, EVENT.encode(failed)] if failed else ["", ""]
        args = [lease.token, letter.item, letter.id, LETTER.encode(letter), *event]
        run_script(self.redis, "bury", [keys.lease(lease.name), *boxes], args)
        self._forget_oldest()

    def keep(self, letter: DeadLetter) -> None:
        """Store a delivery before it is removed from the inbox."""
        self.redis.hset(keys.DEAD_LETTERS, letter.id, LETTER.encode(letter))
        self._forget_oldest()

    def redrive(self, letter: DeadLetter) -> bool:
        """Move the item to the end of its list and wake its ticket; False when it was redriven or dropped before."""
        fields = [part for name, value in fields_of(letter).items() for part in (name, value)]
        args: list[str | bytes | int | float] = [letter.id, letter.ticket_id, *(fields or [letter.item])]
        done = run_script(self.redis, "redrive", [keys.DEAD_LETTERS, letter.where, keys.READY], args)
        if done and letter.ticket_id:
            queues.wake_ticket(self.redis, letter.ticket_id)
        return bool(done)

    def _forget_oldest(self) -> None:
        names = [decode(name) for name in self.redis.hkeys(keys.DEAD_LETTERS)]
        with self.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hstrlen(keys.DEAD_LETTERS, name)
            sizes = dict(zip(names, pipeline.execute(), strict=True))
        number, total, dropped = len(sizes), sum(sizes.values()), []
        for letter in self.all() if number > self._limit or total > self._max_bytes else ():
            if number <= self._limit and (total <= self._max_bytes or number == 1):
                break
            number, total = number - 1, total - sizes.get(letter.id, 0)
            dropped.append(letter.id)
        if dropped:
            self.redis.hdel(keys.DEAD_LETTERS, *dropped)
            _log.error("oldest dead letters dropped", ids=dropped, limit=self._limit, max_bytes=self._max_bytes)


def delivery_letter(fields: Mapping[str, bytes], cause: str, at: float) -> DeadLetter:
    """A delivery as a dead letter. Its body is arbitrary bytes, so it is encoded in base64."""
    plain = {name: decode(value) for name, value in fields.items() if name != "body"}
    plain["body"] = base64.b64encode(fields["body"]).decode()
    name = id_of(plain["source"], plain["delivery_id"], plain["content_key"])
    return DeadLetter(id=name, box="inbox", kind=f"{plain['source']} delivery", cause=cause, at=at, fields=plain)


def fields_of(letter: DeadLetter) -> dict[str, str | bytes]:
    """The delivery's inbox entry; empty for any other letter."""
    return {**letter.fields, "body": base64.b64decode(letter.fields["body"])} if letter.fields else {}
