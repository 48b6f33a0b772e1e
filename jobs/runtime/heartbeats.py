"""Signs of life: which processes are there, for `/readyz` and the supervisor. Written by slots.

Kept apart from RQ's registry, which believes in a killed worker for 80 s more. The clock ends the signs of a process
that is known to be dead.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from jobs.runtime.lease import OWNER

ALIVE = "alive"  # sorted set: "role:owner" by the Unix time until which it is believed
LIFE_SECONDS = 15.0


def beat(redis: Redis, role: str, now: float | None = None) -> None:
    """This process is alive in `role` (a queue's name, or 'clock') for the next 15 s."""
    now = time.time() if now is None else now
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.zadd(ALIVE, {_me(role): now + LIFE_SECONDS})
        pipeline.zremrangebyscore(ALIVE, "-inf", now - 3600)
        pipeline.execute()


def forget(redis: Redis, role: str) -> None:
    """This process leaves; with Redis away its sign of life just ends."""
    try:
        redis.zrem(ALIVE, _me(role))
    except RedisError:
        return


def forget_owners(redis: Redis, owners: Collection[str]) -> None:
    """These processes are dead."""
    members = cast("list[bytes]", redis.zrange(ALIVE, 0, -1))
    gone = [member for member in members if member.decode().partition(":")[2] in owners]
    if gone:
        redis.zrem(ALIVE, *gone)


def alive(redis: Redis, now: float) -> set[str]:
    """The roles that at least one process lives in."""
    members = cast("list[bytes]", redis.zrangebyscore(ALIVE, now, "+inf"))
    return {member.decode().partition(":")[0] for member in members}


def _me(role: str) -> str:
    return f"{role}:{OWNER}"
