"""Escalations of one cause in Redis: the first one is sent at once, further ones are sent together.

So a cause that hits fifty tickets is a few notifications, not fifty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis

from jobs.runtime import keys
from jobs.runtime.scripts import decode

GROUP_SECONDS = 3_600
"""After its first escalation, in which those of the same cause belong to one group."""
COLLECT_SECONDS = 600.0
"""For which further escalations are collected."""
_FIRST, _OF_TICKET = "first", "ticket:"


@dataclass(frozen=True)
class Collected:
    """Further escalations of a group: names of tickets by the id of the command that escalated."""

    group: str
    tickets: dict[str, str]


class EscalationGroups:
    """The groups in one Redis. A group is named by team and cause."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def join(self, group: str, command_id: str, identifier: str, now: float) -> bool:
        """Add an escalation, idempotent by its command; True for the first one of the group."""
        key = keys.escalation_group(group)
        if self._redis.hsetnx(key, _FIRST, command_id):
            self._redis.expire(key, GROUP_SECONDS)
        if decode(self._redis.hget(key, _FIRST) or b"") == command_id:
            return True
        self._redis.hset(key, f"{_OF_TICKET}{command_id}", identifier)
        self._redis.expire(key, GROUP_SECONDS)
        self._redis.zadd(keys.ESCALATION_GROUPS, {group: now + COLLECT_SECONDS}, nx=True)
        return False

    def list_due(self, now: float) -> list[Collected]:
        """The groups whose further escalations have been collected long enough, also by a clock that went back."""
        due: Any = self._redis.zrange(keys.ESCALATION_GROUPS, 0, -1, withscores=True)
        names = [decode(name) for name, at in due if not now < at <= now + COLLECT_SECONDS]
        return [Collected(name, self._read_tickets(name)) for name in names]

    def settle(self, collected: Collected) -> None:
        """Forget these escalations. Those that came since then are collected again."""
        key = keys.escalation_group(collected.group)
        if collected.tickets:
            self._redis.hdel(key, *(f"{_OF_TICKET}{command_id}" for command_id in collected.tickets))
        self._redis.zrem(keys.ESCALATION_GROUPS, collected.group)

    def _read_tickets(self, group: str) -> dict[str, str]:
        found: Any = self._redis.hgetall(keys.escalation_group(group))
        named = {decode(name): decode(identifier) for name, identifier in found.items()}
        return {name[len(_OF_TICKET) :]: one for name, one in named.items() if name.startswith(_OF_TICKET)}
