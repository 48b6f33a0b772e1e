"""Wake-ups: RQ jobs whose payload is an id. Called by dispatcher, clock, performers and the jobs themselves.

A wake-up can be lost or duplicated: the work itself is in the mailbox or the transcript, the lease admits one worker,
and the clock wakes tickets and runs that were missed. RQ's scheduler is not used; delayed wake-ups wait in the sorted
set `later` until the clock calls `enqueue_due`.
"""

from __future__ import annotations

import json
import time
from typing import cast

from redis import Redis
from rq import Queue

from integrations.failpoints import fail
from integrations.values import RunId, TicketId
from jobs.runtime.scripts import run_script

EVENTS = "events"
AGENTS = "agents"
LATER = "later"
_DRIVE = "jobs.drive.drive"
_ADVANCE = "jobs.advance_run.advance_run"
_SWEEP = "jobs.sweep.sweep"
_REDELIVER = "jobs.redeliver.redeliver"
_QUEUE_OF = {_DRIVE: EVENTS, _ADVANCE: AGENTS, _SWEEP: EVENTS, _REDELIVER: EVENTS}
_THROTTLE_MS = 2000
_KEEP_FAILURES_SECONDS = 86_400


def ticket_wake_flag(ticket_id: TicketId) -> str:
    """The key that is set while a wake-up of this ticket is queued; for `clear_wake_flag`."""
    return _wake_flag(_DRIVE, (ticket_id,))


def run_wake_flag(run_id: RunId) -> str:
    """The key that is set while a wake-up of this run is queued; for `clear_wake_flag`."""
    return _wake_flag(_ADVANCE, (run_id,))


SWEEP_WAKE_FLAG = f"wake:{_SWEEP}"
REDELIVER_WAKE_FLAG = f"wake:{_REDELIVER}"


def wake_ticket(redis: Redis, ticket_id: TicketId, delay: float = 0) -> None:
    """Queue a job that drives the ticket, after `delay` seconds at the earliest."""
    _wake(redis, _DRIVE, (ticket_id,), delay)


def has_delayed_wake(redis: Redis, ticket_id: TicketId) -> bool:
    """Whether a delayed wake-up of this ticket is pending."""
    return redis.zscore(LATER, _delayed_member(_DRIVE, (ticket_id,))) is not None


def cancel_delayed_wake(redis: Redis, ticket_id: TicketId) -> None:
    """Cancel the ticket's delayed wake-up. Called by the lease holder, which schedules a new one if needed."""
    redis.zrem(LATER, _delayed_member(_DRIVE, (ticket_id,)))


def wake_run(redis: Redis, run_id: RunId, delay: float = 0) -> None:
    """Queue a job that advances the run, after `delay` seconds at the earliest."""
    _wake(redis, _ADVANCE, (run_id,), delay)


def wake_sweep(redis: Redis) -> None:
    """Queue a sweep. Called by the clock."""
    _wake(redis, _SWEEP, (), 0)


def wake_redeliver(redis: Redis) -> None:
    """Queue a job that requests redelivery of missed webhooks. Called by the clock."""
    _wake(redis, _REDELIVER, (), 0)


def clear_wake_flag(redis: Redis, key: str) -> None:
    """Called first by every job, so that wake-ups from now on are queued instead of deduplicated."""
    redis.delete(key)


def enqueue_due(redis: Redis, now: float) -> int:
    """Queue all delayed wake-ups that are due at `now` (Unix seconds); returns their number. Called by the clock.

    At-least-once: the entry is removed after the job is queued, and only if it was not rescheduled meanwhile."""
    fail("enqueue.due", "before")
    enqueued = 0
    for member, score in cast("list[tuple[bytes, float]]", redis.zrangebyscore(LATER, "-inf", now, withscores=True)):
        function, *arguments = json.loads(member)
        if _enqueue(redis, function, tuple(arguments)):
            run_script(redis, "remove_delayed", [LATER], [member, repr(score)])
            enqueued += 1
    return enqueued


def open_queue(redis: Redis, name: str) -> Queue:
    """Return RQ's queue of this name, with JSON payloads."""
    return Queue(name, connection=redis, serializer="json")


def _wake_flag(function: str, arguments: tuple[str, ...]) -> str:
    return ":".join(("wake", function, *arguments))


def _delayed_member(function: str, arguments: tuple[str, ...]) -> str:
    return json.dumps([function, *arguments])


def _wake(redis: Redis, function: str, arguments: tuple[str, ...], delay: float) -> None:
    if delay <= 0:
        _enqueue(redis, function, arguments)
        return
    redis.zadd(LATER, {_delayed_member(function, arguments): time.time() + delay}, lt=True)


def _enqueue(redis: Redis, function: str, arguments: tuple[str, ...]) -> bool:
    """Queue the job; False when the same wake-up was queued in the last two seconds and has not started."""
    if not redis.set(_wake_flag(function, arguments), 1, nx=True, px=_THROTTLE_MS):
        return False
    operation = f"enqueue.{function.rpartition('.')[2]}"
    fail(operation, "before")
    open_queue(redis, _QUEUE_OF[function]).enqueue_call(
        function, args=arguments, timeout=-1, result_ttl=0, failure_ttl=_KEEP_FAILURES_SECONDS
    )
    fail(operation, "done")
    return True
