from __future__ import annotations

import time

from redis import Redis

from jobs.runtime.queues import (
    AGENTS,
    EVENTS,
    LATER,
    clear_wake_flag,
    enqueue_due,
    queue,
    ticket_wake,
    wake_run,
    wake_sweep,
    wake_ticket,
)


def waiting(redis: Redis, name: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(job.func_name, tuple(job.args)) for job in queue(redis, name).get_jobs()]


def test_a_wake_up_carries_the_ticket_id_and_nothing_else(redis: Redis) -> None:
    wake_ticket(redis, "ticket-1")
    assert waiting(redis, EVENTS) == [("jobs.drive.drive", ("ticket-1",))]
    assert b"ticket-1" in queue(redis, EVENTS).get_jobs()[0].data


def test_runs_wait_in_the_queue_of_the_agents(redis: Redis) -> None:
    wake_run(redis, "run-1")
    assert waiting(redis, AGENTS) == [("jobs.advance_run.advance_run", ("run-1",))]


def test_only_one_wake_up_per_ticket_waits(redis: Redis) -> None:
    for ticket in ("a", "b", "a", "a"):
        wake_ticket(redis, ticket)
    assert [arguments for _, arguments in waiting(redis, EVENTS)] == [("a",), ("b",)]


def test_a_job_that_has_begun_can_be_woken_again(redis: Redis) -> None:
    wake_ticket(redis, "a")
    clear_wake_flag(redis, ticket_wake("a"))
    wake_ticket(redis, "a")
    assert len(waiting(redis, EVENTS)) == 2


def test_a_lost_wake_up_blocks_the_next_one_for_two_seconds_at_most(redis: Redis) -> None:
    wake_ticket(redis, "a")
    assert 0 < redis.pttl(ticket_wake("a")) <= 2000


def test_the_sweep_is_woken_once(redis: Redis) -> None:
    wake_sweep(redis)
    wake_sweep(redis)
    assert waiting(redis, EVENTS) == [("jobs.sweep.sweep", ())]


def test_a_delayed_wake_up_waits_for_its_time(redis: Redis) -> None:
    wake_run(redis, "run-1", delay=60)
    assert enqueue_due(redis, time.time() + 59) == 0
    assert waiting(redis, AGENTS) == []
    assert enqueue_due(redis, time.time() + 61) == 1
    assert waiting(redis, AGENTS) == [("jobs.advance_run.advance_run", ("run-1",))]
    assert enqueue_due(redis, time.time() + 61) == 0


def test_of_two_delays_the_shorter_one_counts(redis: Redis) -> None:
    wake_run(redis, "run-1", delay=5)
    wake_run(redis, "run-1", delay=60)
    assert enqueue_due(redis, time.time() + 6) == 1


def test_a_delayed_wake_up_stays_while_another_one_waits(redis: Redis) -> None:
    wake_ticket(redis, "a")
    wake_ticket(redis, "a", delay=1)
    assert enqueue_due(redis, time.time() + 2) == 0
    assert redis.zcard(LATER) == 1


def test_a_job_leaves_nothing_behind_when_it_is_done(redis: Redis) -> None:
    wake_ticket(redis, "a")
    (job,) = queue(redis, EVENTS).get_jobs()
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (-1, 0, 86_400)
