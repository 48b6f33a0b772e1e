"""Wake-ups: RQ jobs that carry an id and nothing else. Called by dispatcher, sweep, performers and the jobs themselves.

A wake-up may be lost or come twice: what is to be done is in the mailbox or the transcript, who may do it is decided by
the lease, and the sweep wakes again whoever was forgotten. RQ's scheduler is not used; delays wait in the sorted set
`later` until the clock calls `due`.
"""

from __future__ import annotations

import json
import time
from typing import cast

from redis import Redis
from rq import Queue

from integrations.failpoints import fail
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


def ticket_wake(ticket_id: str) -> str:
    """The key that says a wake-up of this ticket is waiting; for `clear_wake_flag`."""
    return _key(_DRIVE, (ticket_id,))


def run_wake(run_id: str) -> str:
    """The key that says a wake-up of this run is waiting; for `clear_wake_flag`."""
    return _key(_ADVANCE, (run_id,))


SWEEP_WAKE = f"wake:{_SWEEP}"
REDELIVER_WAKE = f"wake:{_REDELIVER}"


def wake_ticket(redis: Redis, ticket_id: str, delay: float = 0) -> None:
    """Let a worker drive the ticket, in `delay` seconds at the earliest."""
    _wake(redis, _DRIVE, (ticket_id,), delay)


def has_delayed_wake(redis: Redis, ticket_id: str) -> bool:
    """Whether a wake-up of this ticket waits for its time."""
    return redis.zscore(LATER, _later(_DRIVE, (ticket_id,))) is not None


def cancel_delayed_wake(redis: Redis, ticket_id: str) -> None:
    """Whoever holds the ticket calls this: a wake-up for later is not needed, or will be asked for again."""
    redis.zrem(LATER, _later(_DRIVE, (ticket_id,)))


def wake_run(redis: Redis, run_id: str, delay: float = 0) -> None:
    """Let an agent process advance the run, in `delay` seconds at the earliest."""
    _wake(redis, _ADVANCE, (run_id,), delay)


def wake_sweep(redis: Redis) -> None:
    """Let a worker sweep; the clock calls this."""
    _wake(redis, _SWEEP, (), 0)


def wake_redeliver(redis: Redis) -> None:
    """Let a worker ask for missed webhooks; the clock calls this."""
    _wake(redis, _REDELIVER, (), 0)


def clear_wake_flag(redis: Redis, key: str) -> None:
    """The first thing that a woken job does: from here on a new wake-up is queued and not thrown away."""
    redis.delete(key)


def enqueue_due(redis: Redis, now: float) -> int:
    """Queue every delayed wake-up whose time (Unix seconds) has come; returns how many. The clock calls this.

    The entry is removed after the job is queued, and only if nobody has moved it meanwhile: a crash in between wakes
    twice, never not at all."""
    fail("enqueue.due", "before")
    moved = 0
    for member, score in cast("list[tuple[bytes, float]]", redis.zrangebyscore(LATER, "-inf", now, withscores=True)):
        function, *arguments = json.loads(member)
        if _enqueue(redis, function, tuple(arguments)):
            run_script(redis, "forget", [LATER], [member, repr(score)])
            moved += 1
    return moved


def queue(redis: Redis, name: str) -> Queue:
    """RQ's queue of this name, with payloads in JSON."""
    return Queue(name, connection=redis, serializer="json")


def _key(function: str, arguments: tuple[str, ...]) -> str:
    return ":".join(("wake", function, *arguments))


def _later(function: str, arguments: tuple[str, ...]) -> str:
    return json.dumps([function, *arguments])


def _wake(redis: Redis, function: str, arguments: tuple[str, ...], delay: float) -> None:
    if delay <= 0:
        _enqueue(redis, function, arguments)
        return
    redis.zadd(LATER, {_later(function, arguments): time.time() + delay}, lt=True)


def _enqueue(redis: Redis, function: str, arguments: tuple[str, ...]) -> bool:
    """False when a wake-up has been waiting for less than two seconds."""
    if not redis.set(_key(function, arguments), 1, nx=True, px=_THROTTLE_MS):
        return False
    operation = f"enqueue.{function.rpartition('.')[2]}"
    fail(operation, "before")
    queue(redis, _QUEUE_OF[function]).enqueue_call(
        function, args=arguments, timeout=-1, result_ttl=0, failure_ttl=_KEEP_FAILURES_SECONDS
    )
    fail(operation, "done")
    return True
