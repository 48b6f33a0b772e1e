from __future__ import annotations

import time

from redis import Redis

from jobs.runtime.queues import (
    AGENTS,
    DRIVE,
    EVENTS,
    LATER,
    REQUESTS,
    SERVE,
    SWEEP,
    clear_wake_flag,
    enqueue_due,
    open_queue,
    wake,
    wake_flag,
    wake_run,
    wake_ticket,
)


def waiting(redis: Redis, name: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(job.func_name, tuple(job.args)) for job in open_queue(redis, name).get_jobs()]


def test_wake_up_payload_is_the_ticket_id(redis: Redis) -> None:
    wake_ticket(redis, "ticket-1")
    assert waiting(redis, EVENTS) == [("jobs.drive.drive", ("ticket-1",))]
    assert b"ticket-1" in open_queue(redis, EVENTS).get_jobs()[0].data


def test_wake_up_of_a_run_goes_to_the_agents_queue(redis: Redis) -> None:
    wake_run(redis, "run-1")
    assert waiting(redis, AGENTS) == [("jobs.advance_run.advance_run", ("run-1",))]


def test_wake_up_of_a_request_is_not_in_the_way_of_events(redis: Redis) -> None:
    wake(redis, SERVE, "request-1")
    assert waiting(redis, EVENTS) == [] and waiting(redis, REQUESTS) == [(SERVE, ("request-1",))]


def test_wake_up_is_deduplicated_per_ticket(redis: Redis) -> None:
    for ticket in ("a", "b", "a", "a"):
        wake_ticket(redis, ticket)
    assert [arguments for _, arguments in waiting(redis, EVENTS)] == [("a",), ("b",)]


def test_wake_up_is_queued_again_once_the_job_has_started(redis: Redis) -> None:
    wake_ticket(redis, "a")
    clear_wake_flag(redis, DRIVE, "a")
    wake_ticket(redis, "a")
    assert len(waiting(redis, EVENTS)) == 2


def test_wake_up_that_is_lost_blocks_the_next_for_at_most_two_seconds(redis: Redis) -> None:
    wake_ticket(redis, "a")
    assert 0 < redis.pttl(wake_flag(DRIVE, "a")) <= 2000


def test_sweep_is_queued_once(redis: Redis) -> None:
    wake(redis, SWEEP)
    wake(redis, SWEEP)
    assert waiting(redis, EVENTS) == [("jobs.sweep.sweep", ())]


def test_delayed_wake_up_is_queued_when_due(redis: Redis) -> None:
    wake_run(redis, "run-1", delay=60)
    assert enqueue_due(redis, time.time() + 59) == 0
    assert waiting(redis, AGENTS) == []
    assert enqueue_due(redis, time.time() + 61) == 1
    assert waiting(redis, AGENTS) == [("jobs.advance_run.advance_run", ("run-1",))]
    assert enqueue_due(redis, time.time() + 61) == 0


def test_delayed_wake_up_keeps_the_shorter_of_two_delays(redis: Redis) -> None:
    wake_run(redis, "run-1", delay=5)
    wake_run(redis, "run-1", delay=60)
    assert enqueue_due(redis, time.time() + 6) == 1


def test_delayed_wake_up_is_kept_while_another_is_queued(redis: Redis) -> None:
    wake_ticket(redis, "a")
    wake_ticket(redis, "a", delay=1)
    assert enqueue_due(redis, time.time() + 2) == 0
    assert redis.zcard(LATER) == 1


def test_job_has_no_timeout_and_keeps_no_result(redis: Redis) -> None:
    wake_ticket(redis, "a")
    (job,) = open_queue(redis, EVENTS).get_jobs()
    assert (job.timeout, job.result_ttl, job.failure_ttl) == (-1, 0, 86_400)
