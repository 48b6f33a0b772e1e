"""Heartbeats of processes, for `/readyz` and the supervisor. Sent by slots and by the egress proxy.

Not RQ's worker registry, which lists a killed worker for another 80 s. The clock removes the heartbeats of processes
that are known to be dead.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from jobs.runtime import keys
from jobs.runtime.clocks import read_redis_time
from jobs.runtime.lease import OWNER
from jobs.runtime.scripts import decode

HEARTBEATS = "alive"  # sorted set: "role:owner" by its expiry, Unix seconds of Redis's clock
LIFE_SECONDS, HEARTBEAT_SECONDS = 15.0, 5.0
EGRESS = "egress"
"""Role of the egress proxy, which serves no queue."""


def send_heartbeat(redis: Redis, role: str, now: float | None = None) -> None:
    """Record that this process serves `role` (the name of a queue, or `EGRESS`) for the next 15 s."""
    now = read_redis_time(redis) if now is None else now
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.zadd(HEARTBEATS, {_member(role): now + LIFE_SECONDS})
        pipeline.zremrangebyscore(HEARTBEATS, "-inf", now - 3600)
        pipeline.execute()


def remove_heartbeat(redis: Redis, role: str) -> None:
    """Remove this process's heartbeat when it stops; while Redis is unavailable the heartbeat expires instead."""
    try:
        redis.zrem(HEARTBEATS, _member(role))
    except RedisError:
        return


def remove_heartbeats_of(redis: Redis, owners: Collection[str]) -> None:
    """Remove all heartbeats of these dead processes."""
    members = cast("list[bytes]", redis.zrange(HEARTBEATS, 0, -1))
    dead = [member for member in members if member.decode().partition(":")[2] in owners]
    if dead:
        redis.zrem(HEARTBEATS, *dead)


def list_live_roles(redis: Redis, now: float | None = None) -> set[str]:
    """Return the roles that at least one process serves at `now`, Unix seconds of Redis's clock."""
    members = cast(
        "list[bytes]", redis.zrangebyscore(HEARTBEATS, read_redis_time(redis) if now is None else now, "+inf")
    )
    return {member.decode().partition(":")[0] for member in members}


def count_live(redis: Redis, role: str) -> int:
    """The number of live processes that serve `role`."""
    members = cast("list[bytes]", redis.zrangebyscore(HEARTBEATS, read_redis_time(redis), "+inf"))
    return sum(member.decode().partition(":")[0] == role for member in members)


def _member(role: str) -> str:
    return f"{role}:{OWNER}"


def find_missing_agents(redis: Redis) -> str:
    """The sentence while no agent process runs, with the reason why the last one did not start, if it refused."""
    reason = decode(redis.get(keys.REFUSAL) or b"").rstrip(".")
    return f"No agent process serves the queue `agents`{f', because {reason}' if reason else ''}."
