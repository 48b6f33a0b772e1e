"""Problems that are not resolved, in Redis. A lost Redis files none of them twice: their tickets' ids are derived."""

from __future__ import annotations

from contextlib import suppress

from pydantic import ValidationError
from redis import Redis

from jobs.loop.problem import KNOWN_PROBLEM, KnownProblem
from jobs.runtime import keys


def list_known_problems(redis: Redis) -> list[KnownProblem]:
    """All that this release can parse, the oldest first."""
    found = []
    for raw in redis.hvals(keys.PROBLEMS):
        with suppress(ValidationError):
            found.append(KNOWN_PROBLEM.decode(raw))
    return sorted(found, key=lambda one: (one.first_at, one.problem.key))


def save_problem(redis: Redis, known: KnownProblem) -> None:
    """Add or replace it."""
    redis.hset(keys.PROBLEMS, known.problem.key, KNOWN_PROBLEM.encode(known))


def forget_problem(redis: Redis, key: str) -> None:
    """Remove a resolved one."""
    redis.hdel(keys.PROBLEMS, key)
