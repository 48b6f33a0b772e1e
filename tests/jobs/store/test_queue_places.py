"""Places of runs that wait for an agent: their order, and how often a ticket shows a change."""

from __future__ import annotations

from redis import Redis

from integrations.ports.agent_runner import Entry
from integrations.values import QueuePlace, RunId, TicketId
from jobs.loop.commands import RunSpec
from jobs.runtime import keys, queues, run_order
from jobs.runtime.heartbeats import send_heartbeat
from jobs.store.queue_places import QUIET_SECONDS, UPDATE_SECONDS, QueuePlaces, read_place
from jobs.store.runs import Runs
from tests.jobs.books import at_work, spec_of

START = 1_000.0


def start(redis: Redis, number: int) -> RunSpec:
    spec = spec_of(f"r{number}", f"t{number}", started_at=START + number)
    Runs(redis).start(spec)
    run_order.set_turn(redis, spec.run_id, spec.ticket.id, spec.started_at)
    run_order.add_waiting(redis, spec.run_id)
    return spec


def woken(redis: Redis) -> set[str]:
    """The tickets with a queued wake-up, which is then forgotten."""
    flags = [key.decode() for key in redis.scan_iter("wake:*")]
    if flags:
        redis.delete(*flags)
    return {flag.rpartition(":")[2] for flag in flags}


def test_place_counts_runs_that_no_agent_has_begun(redis: Redis) -> None:
    runs = Runs(redis)
    specs = [start(redis, number) for number in (3, 1, 2, 4, 5)]
    redis.set(keys.retry_at("r4"), 1)
    with at_work(redis, specs[4]) as conversation:
        conversation.append(Entry("brief", {"text": "x"}))
        assert runs.count_busy() == 1

        assert runs.list_waiting() == ["r1", "r2", "r3"]
    assert "r5" not in runs.list_waiting()


def test_place_is_shown_after_a_moment_and_removed_when_the_run_begins(redis: Redis) -> None:
    spec, places = start(redis, 1), QueuePlaces(redis, 4)
    send_heartbeat(redis, queues.AGENTS)
    places.note(START + 1 + QUIET_SECONDS - 0.1)
    assert read_place(redis, TicketId("t1"), spec.run_id) is None and not woken(redis)

    places.note(START + 1 + QUIET_SECONDS)
    assert read_place(redis, TicketId("t1"), spec.run_id) == QueuePlace(place=1, waiting=1, agents=4, busy=0)
    assert read_place(redis, TicketId("t1"), RunId("another")) is None
    assert woken(redis) == {"t1"}

    with at_work(redis, spec):
        places.note(START + 60)
    assert read_place(redis, TicketId("t1"), spec.run_id) is None and woken(redis) == {"t1"}


def test_place_that_changes_is_shown_once_a_minute(redis: Redis) -> None:
    first, second, places = start(redis, 1), start(redis, 2), QueuePlaces(redis, 4)
    places.note(START + 10)
    woken(redis)
    run_order.forget(redis, first.run_id)
    for at in (11.0, 30.0, 10 + UPDATE_SECONDS - 0.1):
        places.note(START + at)
    place = read_place(redis, TicketId("t2"), second.run_id)
    assert place and place.place == 2 and woken(redis) == {"t1"}

    places.note(START + 10 + UPDATE_SECONDS)
    place = read_place(redis, TicketId("t2"), second.run_id)
    assert place and (place.place, place.waiting) == (1, 1) and woken(redis) == {"t2"}

    places.note(START + 10 + 5 * UPDATE_SECONDS)
    assert not woken(redis)
