"""Runs the jobs of one queue in a few threads (slots). Called by `python -m jobs worker|agent`.

Of RQ's worker only the reliable dequeue and the job registry are used: no fork, no signals, no scheduler, no commands
over pub/sub. One queue per worker, because with several queues RQ loses jobs on a crash. This module overrides internal
methods of RQ, so RQ is pinned to 3.0.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Sequence
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

from jobs.runtime.heartbeats import HEARTBEAT_SECONDS, remove_heartbeat, send_heartbeat
from jobs.runtime.queues import open_queue

_log = structlog.get_logger(__name__)


class SlotWorker(SimpleWorker):
    """An RQ worker that runs in a thread and polls a stop event every second."""

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
        self._heartbeat_at = 0.0
        self.busy: tuple[Job, Execution] | None = None
        self.error: BaseException | None = None

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Return the next job; None, which ends the work loop, once the stop event is set."""
        while not self._stop.is_set():
            if found := super().dequeue_job_and_maintain_ttl(timeout, max_idle_time=1):
                return found
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """As in `SimpleWorker`, with the job exposed in `busy` for heartbeats."""
        execution = self.prepare_execution(job)
        self.busy = (job, execution)
        try:
            self.perform_job(job, queue, execution)
        finally:
            self.busy = None
        self.set_state("idle")

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log every exception that a job raised, with its traceback."""
        kind: type[BaseException] | None
        trace: TracebackType | None
        kind, self.error, trace = exc_info
        _log.error("job failed", job=job.description, exc_info=(kind, self.error, trace))

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """Seconds without a heartbeat after which a job counts as abandoned."""
        return int(self.job_monitoring_interval) + 60

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """As RQ's, but an idle slot sends one every ten seconds instead of three per second."""
        if timeout is None and pipeline is None and time.monotonic() - self._heartbeat_at < 10:
            return
        self._heartbeat_at = time.monotonic()
        super().heartbeat(timeout, pipeline)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """As RQ's, but writes only changes."""
        if state != self._state:
            super().set_state(state, pipeline)

    def subscribe(self) -> None:
        """Does nothing: runs poll a key to stop, which saves one connection per slot."""

    def unsubscribe(self) -> None:
        """Does nothing: there is no subscription."""

    def _install_signal_handlers(self) -> None:
        """Does nothing: signals are handled in the main thread, which sets the stop event."""


class _Slot(threading.Thread):
    """Runs one worker and restarts it, with backoff, after Redis was unavailable."""

    def __init__(self, name: str, redis: Redis, stop: threading.Event) -> None:
        super().__init__(name=f"{name}-slot", daemon=True)
        self._queue = open_queue(redis, name)
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
            except (RedisError, OSError) as error:  # OSError: no free file descriptor
                _log.warning("Redis unavailable, will retry", error=str(error), retry_in_seconds=wait)
            wait = 0.5 if time.monotonic() - started > 30 else min(wait * 2, 10.0)
            self._stop_event.wait(wait)


def run_slots(
    queue_name: str,
    slots: int,
    redis: Redis,
    stop: threading.Event,
    *,
    also: Sequence[str] = (),
    raise_errors: bool = False,
    grace: float = 20.0,
) -> bool:
    """Run the jobs of `queue_name` in `slots` threads, and those of each queue of `also` in a further one, until `stop`
    is set; then wait `grace` seconds for current jobs.

    Returns whether all of them ended. With `raise_errors`, for tests, the first exception of a job stops all slots and
    is raised here."""
    threads = [_Slot(name, redis, stop) for name in (*also, *(queue_name for _ in range(slots)))]
    for thread in threads:
        thread.start()
    error = _send_heartbeats_until_stopped(queue_name, threads, redis, stop, raise_errors)
    stop.set()
    remove_heartbeat(redis, queue_name)
    deadline = time.monotonic() + grace
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    if error:
        raise error
    return not any(thread.is_alive() for thread in threads)


def _send_heartbeats_until_stopped(
    name: str, threads: list[_Slot], redis: Redis, stop: threading.Event, raise_errors: bool
) -> BaseException | None:
    """Send heartbeats until `stop` is set. With `raise_errors`, return the first exception of a job."""
    next_heartbeat = 0.0
    while not stop.is_set():
        if time.monotonic() >= next_heartbeat:
            next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
            _send_heartbeats(name, threads, redis)
        errors = [thread.worker.error for thread in threads if thread.worker and thread.worker.error]
        if raise_errors and errors:
            return errors[0]
        stop.wait(0.05 if raise_errors else HEARTBEAT_SECONDS)
    return None


def _send_heartbeats(name: str, threads: list[_Slot], redis: Redis) -> None:
    try:
        send_heartbeat(redis, name)
        for thread in threads:
            if thread.worker and (busy := thread.worker.busy):
                thread.worker.maintain_heartbeats(*busy)
    except (RedisError, OSError) as error:
        _log.warning("heartbeat failed", queue=name, error=str(error))
