"""From the inbox to the mailboxes: translate each delivery, find its ticket, deliver, wake. Called by `jobs.clock`.

A crash anywhere repeats an entry, which is harmless: a mailbox takes an event once, ever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from integrations.errors import Malformed
from integrations.events import (
    BranchPushed,
    ChecksReported,
    Event,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestMerged,
    PullRequestReopened,
    ReviewSubmitted,
)
from integrations.ports.source import Delivery
from integrations.registry import providers, webhooks
from integrations.values import TicketId
from jobs.inbox.journal import Journal
from jobs.runtime import keys, queues
from jobs.runtime.scripts import decode, run_script
from jobs.store.dead_letters import GIVE_UP_AFTER, DeadLetters, ProcessDied, delivery_letter
from jobs.store.tickets import Store

_FROM_CODE_HOST = (
    PullRequestMerged,
    PullRequestClosed,
    PullRequestReopened,
    ReviewSubmitted,
    PullRequestCommented,
    BranchPushed,
    ChecksReported,
)
BATCH = 100
_log = structlog.get_logger(__name__)


class _Entry(NamedTuple):
    """One entry of the inbox; `died`: how many other dispatchers took it and came to no end."""

    id: bytes
    fields: Mapping[str, bytes]
    died: int


def prepare(redis: Redis) -> None:
    """Make the inbox's consumer group if it is not there."""
    try:
        redis.xgroup_create(keys.INBOX, keys.INBOX_GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def dispatch(redis: Redis, consumer: str, wait_ms: int, journal: Journal | None = None) -> int:
    """Deliver what lies in the inbox, waiting up to `wait_ms` for something; returns how many entries were handled.

    What an earlier dispatcher took and did not finish comes first. An entry leaves the inbox when it is in the journal
    and in its mailbox, or with the dead letters when five processes died at it."""
    left_over = _left_over(redis, consumer)
    entries = left_over or _fresh(redis, consumer, wait_ms)
    if journal and entries:
        journal.write([(decode(entry.id), entry.fields) for entry in entries], time.time(), again=bool(left_over))
    for entry in entries:
        if entry.died >= GIVE_UP_AFTER:
            _bury(redis, entry.fields, ProcessDied())
        else:
            if entry.died:
                redis.xclaim(keys.INBOX, keys.INBOX_GROUP, consumer, 0, [entry.id])
            _deliver_or_bury(redis, entry.fields)
        run_script(redis, "acknowledge", [keys.INBOX], [keys.INBOX_GROUP, entry.id])
    return len(entries)


def _fresh(redis: Redis, consumer: str, wait_ms: int) -> list[_Entry]:
    found: Any = redis.xreadgroup(keys.INBOX_GROUP, consumer, {keys.INBOX: ">"}, count=BATCH, block=wait_ms)
    return [_entry(*row) for _, rows in found or [] for row in rows]


def _left_over(redis: Redis, consumer: str) -> list[_Entry]:
    """The oldest entries that somebody took and did not finish. What this consumer took itself is held up by Redis and
    has killed nobody."""
    pending: Any = redis.xpending_range(keys.INBOX, keys.INBOX_GROUP, "-", "+", BATCH)
    if not pending:
        return []
    others = {row["message_id"]: row["times_delivered"] for row in pending if decode(row["consumer"]) != consumer}
    ids = [row["message_id"] for row in pending]
    rows: Any = redis.xrange(keys.INBOX, ids[0], ids[-1])
    if gone := set(ids) - {entry_id for entry_id, _ in rows}:  # deleted by hand, and in the way of those behind
        redis.xack(keys.INBOX, keys.INBOX_GROUP, *gone)
    return [_entry(entry_id, fields, others.get(entry_id, 0)) for entry_id, fields in rows]


def _entry(entry_id: bytes, fields: Mapping[bytes, bytes], died: int = 0) -> _Entry:
    return _Entry(entry_id, {decode(name): value for name, value in fields.items()}, died)


def _deliver_or_bury(redis: Redis, fields: Mapping[str, bytes]) -> None:
    """One delivery that we cannot take must not hold up all others: it is kept with its cause for a person."""
    try:
        _deliver(redis, fields)
    except RedisError:
        raise
    except Exception as error:  # noqa: BLE001 - the dispatcher's one place that catches everything
        _bury(redis, fields, error)


def _bury(redis: Redis, fields: Mapping[str, bytes], error: Exception) -> None:
    _log.error("a fault of ours", delivery=decode(fields["delivery_id"]), exc_info=error)
    DeadLetters(redis).keep(delivery_letter(fields, f"{type(error).__name__}: {error}", time.time()))


def _deliver(redis: Redis, fields: Mapping[str, bytes]) -> None:
    delivery = Delivery(
        source=fields["source"].decode(),
        delivery_id=fields["delivery_id"].decode(),
        content_key=fields["content_key"].decode(),
        body=fields["body"],
        event=fields["event"].decode(),
        stale=fields["stale"] == b"1",
    )
    try:
        events = webhooks(providers())[delivery.source].source.translate(delivery)
    except Malformed as error:
        _log.warning("delivery ignored", source=delivery.source, delivery=delivery.delivery_id, reason=str(error))
        return
    for event in events:
        _route(redis, event)


def _route(redis: Redis, event: Event) -> None:
    ticket_id = ticket_of(redis, event)
    if not ticket_id:
        _log.info("no ticket of ours", event_kind=event.kind, event_id=event.event_id)
        return
    if Store(redis).deliver(replace(event, ticket_id=ticket_id)):
        queues.wake_ticket(redis, ticket_id)


def ticket_of(redis: Redis, event: Event) -> TicketId:
    """The ticket that an event belongs to: its own word, or what we noted of pull requests, branches and commits."""
    if not isinstance(event, _FROM_CODE_HOST):
        return event.ticket_id
    candidates = [
        keys.pull_request(event.repository, event.number) if event.number else "",
        keys.branch(event.repository, event.branch) if event.branch else "",
        keys.head(event.repository, event.head_sha) if event.head_sha else "",
    ]
    for key in filter(None, candidates):
        found = redis.get(key)
        if found:
            return TicketId(decode(found))
    return TicketId("")
