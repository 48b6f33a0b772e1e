"""Dead letters: what failed too often or cannot be read, kept with its cause until a person sends it on its way again.

Buried by `jobs.drive` (events, commands) and `jobs.inbox.dispatch` (deliveries), listed and redriven by the command
line. An item leaves its list and becomes a dead letter in one step, and back in one step, so it is never in both or in
none.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from redis import Redis

from integrations.events import EVENT, CommandFailed
from integrations.values import Codec, TicketId, value
from jobs.runtime import keys, queues
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script

GIVE_UP_AFTER = 5
Box = Literal["mailbox", "inner", "outer", "inbox"]


class ProcessDied(Exception):
    """The cause of what is put aside because nobody survived it."""

    def __init__(self) -> None:
        super().__init__(f"{GIVE_UP_AFTER} processes died at it, one after another")


@value
class DeadLetter:
    """One item. `box` is the list it lay in, `item` its exact text there (a delivery's fields are in `fields`), `at`
    the time in Unix seconds."""

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
        """The loop's generation that a command belongs to; None where it belongs to none."""
        found = json.loads(self.item)["command"].get("generation") if self.box in ("inner", "outer") else None
        return found if isinstance(found, int) else None

    @property
    def where(self) -> str:
        """The list it came from and goes back to."""
        if self.box == "inbox":
            return keys.INBOX
        return keys.mailbox(self.ticket_id) if self.box == "mailbox" else keys.outbox(self.ticket_id, self.box)


LETTER: Codec[DeadLetter] = Codec(DeadLetter)


def id_of(*parts: str | bytes) -> str:
    """The same item has the same id however often it is buried: 12 hex digits."""
    whole = b"\0".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return hashlib.sha256(whole).hexdigest()[:12]


class DeadLetters:
    """All dead letters in one Redis; beyond `limit` the oldest are dropped."""

    def __init__(self, redis: Redis, limit: int = 10_000) -> None:
        self.redis = redis
        self._limit = limit

    def all(self) -> list[DeadLetter]:
        """The oldest first."""
        found = [LETTER.decode(raw) for raw in self.redis.hvals(keys.DEAD_LETTERS)]
        return sorted(found, key=lambda letter: letter.at)

    def bury(self, lease: Lease, letter: DeadLetter, told: CommandFailed | None) -> None:
        """Take the item at the head of a ticket's list out of it; `told` enters the mailbox, once for each letter."""
        t = letter.ticket_id
        boxes = [letter.where, keys.known_events(t), keys.mailbox(t), keys.failures(t), keys.DEAD_LETTERS]
        event = [told.event_id, EVENT.encode(told)] if told else ["", ""]
        args = [lease.token, letter.item, letter.id, LETTER.encode(letter), *event]
        run_script(self.redis, "bury", [keys.lease(lease.name), *boxes], args)
        self._forget_oldest()

    def keep(self, letter: DeadLetter) -> None:
        """Note a delivery that is about to leave the inbox."""
        self.redis.hset(keys.DEAD_LETTERS, letter.id, LETTER.encode(letter))
        self._forget_oldest()

    def redrive(self, letter: DeadLetter) -> bool:
        """Put the item back to the end of its list and wake its ticket; False when it is no dead letter any more."""
        fields = [part for name, value in fields_of(letter).items() for part in (name, value)]
        args: list[str | bytes | int | float] = [letter.id, letter.ticket_id, *(fields or [letter.item])]
        done = run_script(self.redis, "redrive", [keys.DEAD_LETTERS, letter.where, keys.READY], args)
        if done and letter.ticket_id:
            queues.wake_ticket(self.redis, letter.ticket_id)
        return bool(done)

    def _forget_oldest(self) -> None:
        surplus = self.redis.hlen(keys.DEAD_LETTERS) - self._limit
        if surplus > 0:
            self.redis.hdel(keys.DEAD_LETTERS, *(letter.id for letter in self.all()[:surplus]))


def delivery_letter(fields: Mapping[str, bytes], cause: str, at: float) -> DeadLetter:
    """A delivery as a dead letter. The body may be any bytes, so it travels in base 64."""
    plain = {name: decode(value) for name, value in fields.items() if name != "body"}
    plain["body"] = base64.b64encode(fields["body"]).decode()
    name = id_of(plain["source"], plain["delivery_id"], plain["content_key"])
    return DeadLetter(id=name, box="inbox", kind=f"{plain['source']} delivery", cause=cause, at=at, fields=plain)


def fields_of(letter: DeadLetter) -> dict[str, str | bytes]:
    """The inbox entry that a delivery was; empty for any other letter."""
    if not letter.fields:
        return {}
    return {**letter.fields, "body": base64.b64decode(letter.fields["body"])}
