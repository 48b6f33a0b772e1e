"""Places of the runs that wait for an agent, as tickets and dashboard show them. Noted by the clock, once per second.

A place is noted after a few seconds in the queue, then at most once a minute, and only when it has changed: each note
is an edit of the ticket's progress comment. It is removed when the run begins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from redis import Redis

from integrations.values import Codec, RunId, TicketId, value
from jobs.loop.queue_place import QueuePlace
from jobs.runtime import keys, queues
from jobs.runtime.heartbeats import count_live
from jobs.runtime.scripts import decode
from jobs.store.runs import Runs

QUIET_SECONDS, UPDATE_SECONDS = 5.0, 60.0


@value
class _Note:
    """A place that is shown; `at` is when it was noted, Unix seconds."""

    run_id: RunId
    place: QueuePlace
    at: float


_NOTE: Codec[_Note] = Codec(_Note)


def read_place(redis: Redis, ticket_id: TicketId, run_id: RunId) -> QueuePlace | None:
    """The noted place of the ticket's current run; None if it does not wait."""
    raw = redis.hget(keys.QUEUE_PLACES, ticket_id)
    note = _NOTE.decode(raw) if raw else None
    return note.place if note and note.run_id == run_id else None


def note_places(redis: Redis, slots: int, now: float) -> None:
    """Note the places that have changed, and wake their tickets. `slots` are those of one agent process."""
    runs = Runs(redis)
    queue = {spec.ticket.id: (number, spec) for number, spec in enumerate(runs.list_queued(), 1)}
    noted: dict[bytes, bytes] = redis.hgetall(keys.QUEUE_PLACES)  # type: ignore[assignment]
    notes: dict[str, _Note] = {decode(ticket_id): _NOTE.decode(raw) for ticket_id, raw in noted.items()}
    changes: dict[str, Any] = dict.fromkeys(notes.keys() - queue.keys())
    agents = count_live(redis, queues.AGENTS) * slots if queue else 0
    for number, spec in queue.values():
        ticket_id = spec.ticket.id
        place = QueuePlace(place=number, waiting=len(queue), agents=agents, busy=runs.count_busy())
        known = notes.get(ticket_id)
        if known and known.run_id == spec.run_id:
            is_due = replace(known.place, busy=place.busy) != place and now - known.at >= UPDATE_SECONDS
        else:
            is_due = now - spec.started_at >= QUIET_SECONDS
        if is_due:
            changes[ticket_id] = _NOTE.encode(_Note(run_id=spec.run_id, place=place, at=now))
    for changed, raw in changes.items():
        if raw is None:
            redis.hdel(keys.QUEUE_PLACES, changed)
        else:
            redis.hset(keys.QUEUE_PLACES, changed, raw)
        queues.wake_ticket(redis, TicketId(changed))
