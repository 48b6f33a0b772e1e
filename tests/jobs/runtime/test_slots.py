from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from redis import Redis

from jobs.runtime.heartbeats import list_live_roles
from jobs.runtime.queues import open_queue
from jobs.runtime.slots import run_slots
from tests.jobs import slot_jobs


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Runner:
    """`run_slots` in a thread of its own, as a process would run it."""

    def __init__(self, redis: Redis, slots: int, **options: Any) -> None:
        self.stop = threading.Event()
        self.ended: bool | None = None
        self._work = lambda: run_slots("tests", slots, redis, self.stop, **options)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.ended = self._work()

    def leave(self) -> bool | None:
        self.stop.set()
        self._thread.join(30)
        return self.ended


@pytest.fixture
def start(redis: Redis) -> Iterator[Callable[..., Runner]]:
    runners: list[Runner] = []
    slot_jobs.ran.clear()
    slot_jobs.finish.clear()
    slot_jobs.started = threading.Semaphore(0)

    def begin(slots: int = 1, **options: Any) -> Runner:
        runners.append(Runner(redis, slots, **options))
        return runners[-1]

    yield begin
    slot_jobs.finish.set()
    for runner in runners:
        runner.leave()


def enqueue(redis: Redis, name: str, *arguments: str) -> None:
    open_queue(redis, "tests").enqueue_call(f"tests.jobs.slot_jobs.{name}", args=arguments, timeout=-1, result_ttl=0)


def test_slots_run_the_jobs_of_their_queue(redis: Redis, start: Callable[..., Runner]) -> None:
    start()
    enqueue(redis, "note", "one")
    enqueue(redis, "note", "two")
    until(lambda: slot_jobs.ran == ["one", "two"])


def test_slots_limit_the_number_of_concurrent_jobs(redis: Redis, start: Callable[..., Runner]) -> None:
    start(slots=3)
    for _ in range(4):
        enqueue(redis, "wait")
    assert all(slot_jobs.started.acquire(timeout=10) for _ in range(3))
    assert not slot_jobs.started.acquire(timeout=0.3)


def test_slots_leave_no_key_of_a_finished_job(redis: Redis, start: Callable[..., Runner]) -> None:
    start()
    enqueue(redis, "note", "x")
    until(lambda: slot_jobs.ran and not redis.keys("rq:job:*") and not redis.llen("rq:queue:tests:intermediate"))


def test_slot_logs_the_traceback_of_a_failed_job_and_continues(redis: Redis, start: Callable[..., Runner]) -> None:
    with structlog.testing.capture_logs() as logs:
        start()
        enqueue(redis, "fail", "sums")
        enqueue(redis, "note", "after")
        until(lambda: slot_jobs.ran == ["after"])
    (line,) = [line for line in logs if line["event"] == "job failed"]
    assert "slot_jobs.fail" in line["job"]
    assert str(line["exc_info"][1]) == "cannot do sums"
    assert line["exc_info"][2].tb_next


def test_slots_raise_the_exception_of_a_job_when_asked_to(redis: Redis) -> None:
    enqueue(redis, "fail", "sums")
    with pytest.raises(ArithmeticError, match="cannot do sums"):
        run_slots("tests", 1, redis, threading.Event(), raise_errors=True)


def test_slots_finish_the_current_job_on_stop_and_start_no_other(redis: Redis, start: Callable[..., Runner]) -> None:
    runner = start()
    enqueue(redis, "wait")
    enqueue(redis, "note", "too late")
    assert slot_jobs.started.acquire(timeout=10)
    runner.stop.set()
    slot_jobs.finish.set()
    assert runner.leave() is True
    assert slot_jobs.ran == ["waited"]
    assert len(open_queue(redis, "tests")) == 1


def test_slots_report_a_job_that_exceeds_the_grace_period(redis: Redis, start: Callable[..., Runner]) -> None:
    runner = start(grace=0.2)
    enqueue(redis, "wait")
    assert slot_jobs.started.acquire(timeout=10)
    assert runner.leave() is False


def test_idle_slots_stop_in_two_seconds_and_remove_their_heartbeat(redis: Redis, start: Callable[..., Runner]) -> None:
    runner = start(slots=3)
    until(lambda: redis.scard("rq:workers:tests") == 3)
    began = time.monotonic()
    assert runner.leave() is True
    assert time.monotonic() - began < 2
    assert redis.scard("rq:workers:tests") == 0
    assert list_live_roles(redis, time.time()) == set()


def test_slots_send_heartbeats_for_their_queue(redis: Redis, start: Callable[..., Runner]) -> None:
    start()
    until(lambda: list_live_roles(redis, time.time()) == {"tests"})
    assert list_live_roles(redis, time.time() + 20) == set()
