"""Takes wake-ups from one queue in a few threads. Called by `python -m jobs worker|agent`.

RQ's worker is used for what it does well (move a job out of the queue without losing it, keep a registry) and nothing
else: no fork, no signals, no scheduler, no commands over pub/sub. One queue per worker, because with several RQ loses
jobs on a crash. This file touches RQ's inner methods, so RQ is pinned to 3.0.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Any

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.timeouts import TimerDeathPenalty

from jobs.runtime.heartbeats import beat, forget
from jobs.runtime.queues import queue

BEAT_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class SlotWorker(SimpleWorker):
    """One slot: a worker that lives in a thread and looks every second whether it should stop."""

    death_penalty_class = TimerDeathPenalty

    def __init__(self, jobs: Queue, redis: Redis, stop: threading.Event) -> None:
        super().__init__(
            [jobs],
            name=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}",
            connection=redis,
            serializer="json",
            worker_ttl=20,
            maintenance_interval=15,
            job_monitoring_interval=10,
            log_job_description=False,
        )
        self._stop = stop
        self._beaten_at = 0.0
        self.busy: tuple[Job, Execution] | None = None
        self.error: BaseException | None = None

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job; None, which ends the work loop, when the process is to stop."""
        while not self._stop.is_set():
            if found := super().dequeue_job_and_maintain_ttl(timeout, max_idle_time=1):
                return found
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """As `SimpleWorker`, with the job on show for the beating thread."""
        execution = self.prepare_execution(job)
        self.busy = (job, execution)
        try:
            self.perform_job(job, queue, execution)
        finally:
            self.busy = None
        self.set_state("idle")

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """The one place that catches everything: whatever a job let through is logged here whole."""
        kind: type[BaseException] | None
        trace: TracebackType | None
        kind, self.error, trace = exc_info
        _log.error("job failed", job=job.description, exc_info=(kind, self.error, trace))

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds after which a job without a beat counts as abandoned."""
        return int(self.job_monitoring_interval) + 60

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """As RQ's, but an idle slot writes every ten seconds and not three times a second."""
        if timeout is None and pipeline is None and time.monotonic() - self._beaten_at < 10:
            return
        self._beaten_at = time.monotonic()
        super().heartbeat(timeout, pipeline)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """As RQ's, without writing what is written already."""
        if state != self._state:
            super().set_state(state, pipeline)

    def subscribe(self) -> None:
        """Nothing: runs are stopped by a key that they look at, so a connection per slot is saved."""

    def unsubscribe(self) -> None:
        """Nothing, as there is no subscription."""

    def _install_signal_handlers(self) -> None:
        """Nothing: signals belong to the main thread, and `stop` comes from there."""


class _Slot(threading.Thread):
    """Keeps one worker at work, through Redis going away and coming back."""

    def __init__(self, name: str, redis: Redis, stop: threading.Event) -> None:
        super().__init__(name=f"{name}-slot", daemon=True)
        self._queue = queue(redis, name)
        self._redis = redis
        self._stop_event = stop
        self.worker: SlotWorker | None = None

    def run(self) -> None:
        wait = 0.5
        while not self._stop_event.is_set():
            started = time.monotonic()
            try:
                self.worker = SlotWorker(self._queue, self._redis, self._stop_event)
                self.worker.work(logging_level="WARNING")
            except RedisError as error:
                _log.warning("Redis is away", error=str(error), next_try_in_seconds=wait)
            wait = 0.5 if time.monotonic() - started > 30 else min(wait * 2, 10.0)
            self._stop_event.wait(wait)

    @property
    def busy(self) -> tuple[Job, Execution] | None:
        """The job under way."""
        return self.worker.busy if self.worker else None


def run_slots(
    queue_name: str,
    slots: int,
    redis: Redis,
    stop: threading.Event,
    *,
    raise_errors: bool = False,
    grace: float = 20.0,
) -> bool:
    """Work on `queue_name` in `slots` threads until `stop` is set; then wait `grace` seconds for jobs under way.

    Returns whether all of them ended. With `raise_errors` the first exception of a job stops everything and is raised
    here: tests run that way."""
    threads = [_Slot(queue_name, redis, stop) for _ in range(slots)]
    for thread in threads:
        thread.start()
    error = _watch(queue_name, threads, redis, stop, raise_errors)
    stop.set()
    forget(redis, queue_name)
    deadline = time.monotonic() + grace
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if error:
        raise error
    return not any(thread.is_alive() for thread in threads)


def _watch(
    name: str, threads: list[_Slot], redis: Redis, stop: threading.Event, raise_errors: bool
) -> BaseException | None:
    """Beat for all slots until `stop`, or until a job failed and that is to be raised."""
    next_beat = 0.0
    while not stop.is_set():
        if time.monotonic() >= next_beat:
            next_beat = time.monotonic() + BEAT_SECONDS
            _beat(name, threads, redis)
        errors = [thread.worker.error for thread in threads if thread.worker and thread.worker.error]
        if raise_errors and errors:
            return errors[0]
        stop.wait(0.05 if raise_errors else BEAT_SECONDS)
    return None


def _beat(name: str, threads: list[_Slot], redis: Redis) -> None:
    try:
        beat(redis, name)
        for thread in threads:
            if thread.worker and (busy := thread.busy):
                thread.worker.maintain_heartbeats(*busy)
    except RedisError as error:
        _log.warning("not beaten", queue=name, error=str(error))
