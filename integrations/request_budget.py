"""The allowance of requests at one provider, shared by all processes: who may send now, and who waits.

Called by the provider's client around each request. `decide_wait` is pure; the bucket is in Redis in a process that
calls `share_budget` (`jobs.runtime.buckets`), otherwise in the client, as for the commands that run without Redis.
Source of the model: linear.app/developers/rate-limiting, a leaky bucket that refills at limit / hour.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

from integrations.errors import OverBudget
from integrations.waits import LONGEST_WAIT, clamp_wait

HOUR = 3600.0


class Priority(IntEnum):
    """What a request is for. A message, question, move or stop of a person comes before progress, and that before
    comparisons in the background."""

    MESSAGE = 0
    PROGRESS = 1
    BACKGROUND = 2


RESERVED: Mapping[Priority, float] = {Priority.MESSAGE: 0.0, Priority.PROGRESS: 0.2, Priority.BACKGROUND: 0.4}
"""The part of the allowance that requests of this priority leave for those that come before."""


@dataclass(frozen=True)
class Bucket:
    """`limit` requests per hour, of which `remaining` were left at `at`; no request before `blocked_until`. Times are
    Unix seconds."""

    limit: float
    remaining: float
    at: float
    blocked_until: float = 0.0

    def refill(self, now: float) -> Bucket:
        """The bucket at `now`; after a clock that went back, nothing has been refilled."""
        remaining = min(self.limit, self.remaining + max(now - self.at, 0.0) * self.limit / HOUR)
        return replace(self, remaining=remaining, at=now, blocked_until=min(self.blocked_until, now + LONGEST_WAIT))


def decide_wait(bucket: Bucket | None, priority: Priority, now: float) -> float:
    """Seconds until a request of this priority can be sent; 0 for now. An unknown bucket counts as full."""
    if bucket is None:
        return 0.0
    bucket = bucket.refill(now)
    missing = 1 + RESERVED[priority] * bucket.limit - bucket.remaining
    refill = missing * HOUR / bucket.limit if missing > 0 else 0.0
    return max(bucket.blocked_until - now, refill, 0.0)


class Buckets(Protocol):
    """Where buckets are kept, by provider."""

    def update(self, name: str, change: Callable[[Bucket | None], Bucket | None]) -> None:
        """Replace the bucket by the result of `change`, atomically; `change` can be called again after a conflict."""


class LocalBuckets:
    """The buckets of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket | None] = {}

    def update(self, name: str, change: Callable[[Bucket | None], Bucket | None]) -> None:
        with self._lock:
            self._buckets[name] = change(self._buckets.get(name))


class RequestBudget:
    """Admits requests by priority. `clock` returns Unix seconds."""

    def __init__(self, buckets: Buckets, clock: Callable[[], float] = time.time) -> None:
        self._buckets, self._clock = buckets, clock

    def take(self, name: str) -> None:
        """Use up one request. Raises `OverBudget` with the seconds to wait, without effect."""
        waits: list[float] = []

        def use(bucket: Bucket | None) -> Bucket | None:
            now = self._clock()
            waits[:] = [decide_wait(bucket, _priority.get(), now)]
            if bucket is None or waits[0]:
                return bucket
            filled = bucket.refill(now)
            return replace(filled, remaining=filled.remaining - 1)

        self._buckets.update(name, use)
        if waits[0]:
            kind = _priority.get().name.lower()
            raise OverBudget(f"the request allowance of {name} is used up for now ({kind})", clamp_wait(waits[0]))

    def observe(self, name: str, limit: str | None, remaining: str | None) -> None:
        """Correct the bucket by the headers of a response; anything but two numbers is ignored."""
        if not (limit and remaining and limit.isdecimal() and remaining.isdecimal() and int(limit)):
            return
        seen = (float(limit), float(remaining))

        def correct(bucket: Bucket | None) -> Bucket:
            return Bucket(*seen, self._clock(), bucket.blocked_until if bucket else 0.0)

        self._buckets.update(name, correct)

    def block(self, name: str, seconds: float) -> None:
        """After a refused request: no process sends another one before that."""
        until = self._clock() + clamp_wait(seconds)

        def close(bucket: Bucket | None) -> Bucket:
            known = bucket or Bucket(HOUR, HOUR, self._clock())
            return replace(known, blocked_until=max(known.blocked_until, until))

        self._buckets.update(name, close)


_priority: ContextVar[Priority] = ContextVar("priority", default=Priority.MESSAGE)


@contextmanager
def use_priority(priority: Priority) -> Iterator[None]:
    """Requests inside have this priority; without it they are messages."""
    token = _priority.set(priority)
    try:
        yield
    finally:
        _priority.reset(token)


class _Shared:
    budget: RequestBudget | None = None


def share_budget(budget: RequestBudget | None) -> None:
    """Set the budget that this process shares with others."""
    _Shared.budget = budget


def shared_budget() -> RequestBudget | None:
    """That budget; None in a process that shares none, where each client has its own."""
    return _Shared.budget
