"""Places of the runs that wait for an agent, as tickets and dashboard show them. Noted by the clock, once per second.

A place is noted after a few seconds in the queue, then at most once a minute, and only when it has changed: each note
is an edit of the ticket's progress comment. It is removed when the run begins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from redis import Redis

from integrations.values import Codec, QueuePlace, RunId, TicketId, value
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


class QueuePlaces:
    """Notes the places. `slots` are those of one agent process. Reads each run once."""

    def __init__(self, redis: Redis, slots: int) -> None:
        self._redis, self._slots = redis, slots
        self._specs: dict[RunId, _Waiting] = {}

    def note(self, now: float) -> None:
        """Note the places that have changed, and wake their tickets. `now` is in Unix seconds."""
        noted: dict[bytes, bytes] = self._redis.hgetall(keys.QUEUE_PLACES)  # type: ignore[assignment]
        notes: dict[str, _Note] = {decode(ticket_id): _NOTE.decode(raw) for ticket_id, raw in noted.items()}
        queue = self._list_queue()
        agents = count_live(self._redis, queues.AGENTS) * self._slots if queue else 0
        busy = Runs(self._redis).count_busy() if queue else 0
        for gone in notes.keys() - {one.ticket_id for one in queue}:
            self._redis.hdel(keys.QUEUE_PLACES, gone)
            queues.wake_ticket(self._redis, TicketId(gone))
        for number, one in enumerate(queue, 1):
            place = QueuePlace(place=number, waiting=len(queue), agents=agents, busy=busy)
            if _is_due(notes.get(one.ticket_id), one, place, now):
                note = _NOTE.encode(_Note(run_id=one.run_id, place=place, at=now))
                self._redis.hset(keys.QUEUE_PLACES, one.ticket_id, note)
                queues.wake_ticket(self._redis, one.ticket_id)

    def _list_queue(self) -> list[_Waiting]:
        """The runs that wait, in their order. Forgets all others."""
        runs = Runs(self._redis)
        waiting = {run_id: self._specs.get(run_id) or _read(runs, run_id) for run_id in runs.list_waiting()}
        self._specs = {run_id: one for run_id, one in waiting.items() if one}
        return list(self._specs.values())


@dataclass(frozen=True)
class _Waiting:
    """A run that waits."""

    run_id: RunId
    ticket_id: TicketId
    started_at: float


def _read(runs: Runs, run_id: RunId) -> _Waiting | None:
    spec = runs.spec(run_id)
    return _Waiting(run_id, spec.ticket.id, spec.started_at) if spec else None


def _is_due(known: _Note | None, one: _Waiting, place: QueuePlace, now: float) -> bool:
    """Whether the ticket shows this place from now on. A change of `busy` alone is not shown."""
    if known is None or known.run_id != one.run_id:
        return now - one.started_at >= QUIET_SECONDS
    return replace(known.place, busy=place.busy) != place and now - known.at >= UPDATE_SECONDS
