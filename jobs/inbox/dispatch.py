"""Dispatches deliveries from the inbox to ticket mailboxes: translate, find the ticket, deliver, wake.

Called by `jobs.clock`. At-least-once: a crash repeats an entry, and the mailbox drops duplicate events.
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
    CodeHostEvent,
    Event,
    RepositoryChanged,
    TicketDelegated,
    TicketMentioned,
    TicketMoved,
    TicketRemoved,
)
from integrations.ports.source import Delivery
from integrations.registry import providers
from integrations.values import TicketId
from jobs.inbox.automations import route_to_automations
from jobs.inbox.journal import Journal
from jobs.runtime import keys, queues
from jobs.runtime.scripts import decode, run_script
from jobs.store.dead_letters import GIVE_UP_AFTER, DeadLetters, ProcessDied, delivery_letter
from jobs.store.tickets import Store

BATCH = 100
_log = structlog.get_logger(__name__)


class _Entry(NamedTuple):
    """One entry of the inbox; `crashes`: the number of other dispatchers that claimed it and did not finish."""

    id: bytes
    fields: Mapping[str, bytes]
    crashes: int


def create_consumer_group(redis: Redis) -> None:
    """Create the inbox's consumer group if it does not exist."""
    try:
        redis.xgroup_create(keys.INBOX, keys.INBOX_GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def dispatch(redis: Redis, consumer: str, wait_ms: int, journal: Journal | None = None) -> int:
    """Deliver the entries of the inbox, waiting up to `wait_ms` for one; returns the number of handled entries.

    Unfinished entries of earlier dispatchers come first. An entry leaves the inbox once it is in the journal and in its
    mailbox, or in the dead letters after five crashes."""
    pending = _read_pending(redis, consumer)
    entries = pending or _read_new(redis, consumer, wait_ms)
    if journal and entries:
        journal.write([(decode(entry.id), entry.fields) for entry in entries], time.time(), again=bool(pending))
    for entry in entries:
        if entry.crashes >= GIVE_UP_AFTER:
            _move_to_dead_letters(redis, entry.fields, ProcessDied())
        else:
            if entry.crashes:
                redis.xclaim(keys.INBOX, keys.INBOX_GROUP, consumer, 0, [entry.id])
            _deliver_or_move(redis, entry.fields)
        run_script(redis, "acknowledge", [keys.INBOX], [keys.INBOX_GROUP, entry.id])
    return len(entries)


def _read_new(redis: Redis, consumer: str, wait_ms: int) -> list[_Entry]:
    found: Any = redis.xreadgroup(keys.INBOX_GROUP, consumer, {keys.INBOX: ">"}, count=BATCH, block=wait_ms)
    return [_parse_entry(*row) for _, rows in found or [] for row in rows]


def _read_pending(redis: Redis, consumer: str) -> list[_Entry]:
    """The oldest entries that were claimed and not finished. Those of this consumer do not count as crashes: Redis was
    unavailable."""
    pending: Any = redis.xpending_range(keys.INBOX, keys.INBOX_GROUP, "-", "+", BATCH)
    if not pending:
        return []
    others = {row["message_id"]: row["times_delivered"] for row in pending if decode(row["consumer"]) != consumer}
    ids = [row["message_id"] for row in pending]
    rows: Any = redis.xrange(keys.INBOX, ids[0], ids[-1])
    if gone := set(ids) - {entry_id for entry_id, _ in rows}:  # deleted by hand, and would block the entries behind
        redis.xack(keys.INBOX, keys.INBOX_GROUP, *gone)
    return [_parse_entry(entry_id, fields, others.get(entry_id, 0)) for entry_id, fields in rows]


def _parse_entry(entry_id: bytes, fields: Mapping[bytes, bytes], crashes: int = 0) -> _Entry:
    return _Entry(entry_id, {decode(name): value for name, value in fields.items()}, crashes)


def _deliver_or_move(redis: Redis, fields: Mapping[str, bytes]) -> None:
    """Move a delivery that fails to the dead letters, with its cause: it must not block the others."""
    try:
        _deliver(redis, fields)
    except RedisError:
        raise
    except Exception as error:  # noqa: BLE001 - the dispatcher's one place that catches everything
        _move_to_dead_letters(redis, fields, error)


def _move_to_dead_letters(redis: Redis, fields: Mapping[str, bytes], error: Exception) -> None:
    _log.error("unexpected error, moved to dead letters", delivery=decode(fields["delivery_id"]), exc_info=error)
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
    webhooks = {provider.name: provider.webhooks for provider in providers() if provider.webhooks}[delivery.source]
    if delivery.event.partition(".")[0] in webhooks.access_events:
        _log.warning("access changed", source=delivery.source, event_name=delivery.event)
        queues.wake(redis, queues.CHECK_ACCESS)
    try:
        events = webhooks.source.translate(delivery)
    except Malformed as error:
        _log.warning("delivery ignored", source=delivery.source, delivery=delivery.delivery_id, reason=str(error))
        return
    for event in events:
        route(redis, event)


def route(redis: Redis, event: Event) -> None:
    """Deliver the event to its ticket and to the automations that it concerns.

    A push goes to the tickets that were prepared on this base branch too, a change of a repository to all of its
    tickets, a move to those that wait for the ticket."""
    store = Store(redis)
    route_to_automations(redis, event)
    tickets = store.take_watchers(event.repository, event.branch) if isinstance(event, BranchPushed) else []
    if isinstance(event, RepositoryChanged):
        name = event.repository.lower()
        tickets = [loop.ticket.id for loop in store.loops() if loop.workspace.repository.lower() == name]
    if isinstance(event, TicketMoved | TicketRemoved):
        wake_watchers(redis, event)
    if ticket_id := find_ticket(redis, event):
        tickets.append(ticket_id)
    for one in tickets:
        if store.deliver(replace(event, ticket_id=one)):
            _announce_session(redis, event)
            queues.wake_ticket(redis, one)
    if not tickets:
        _log.info("no matching ticket", event_kind=event.kind, event_id=event.event_id)


def wake_watchers(redis: Redis, event: Event) -> None:
    """Let the tickets that wait for the event's ticket be decided again."""
    store = Store(redis)
    for waiting in store.take_ticket_watchers(event.ticket_id):
        name = f"{event.event_id}:waits:{waiting}"
        if store.deliver(TicketMoved(event_id=name, ticket_id=waiting, at=event.at)):
            queues.wake_ticket(redis, waiting)


def _announce_session(redis: Redis, event: Event) -> None:
    """Let a new agent session be acknowledged, apart from the ticket's work."""
    if isinstance(event, TicketDelegated | TicketMentioned) and event.session_id:
        redis.hset(keys.NEW_SESSIONS, event.session_id, event.identifier)
        queues.wake(redis, queues.ACKNOWLEDGE)


def find_ticket(redis: Redis, event: Event) -> TicketId:
    """Return the id of the event's ticket, for events of a code host by pull request, branch or commit."""
    if not isinstance(event, CodeHostEvent):
        return event.ticket_id
    candidates = [
        keys.pull_request(event.repository, event.number) if event.number else "",
        keys.branch(event.repository, event.branch) if event.branch else "",
        keys.head(event.repository, event.head_sha) if event.head_sha else "",
    ]
    for key in filter(None, candidates):
        if found := redis.get(key):
            return TicketId(decode(found))
    return TicketId("")
