"""How the attempts ended in which agents read skills, for each repository. Written once per attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from redis import Redis

from integrations.values import Codec, value
from jobs.loop.skill_state import CountSkills, SkillOutcome
from jobs.runtime import keys
from jobs.runtime.scripts import decode

KEPT_SECONDS = 90 * 86_400.0
MOST_KEPT = 2_000
"""Attempts of one repository."""
_COUNT: Codec[CountSkills] = Codec(CountSkills)


@value
class SkillStatistics:
    """The attempts in which agents read this skill, by their outcome."""

    skill: str
    accepted: int = 0
    rejected: int = 0
    escalated: int = 0

    @property
    def attempts(self) -> int:
        return self.accepted + self.rejected + self.escalated


def record_skills(redis: Redis, command_id: str, counted: CountSkills) -> None:
    """Record an attempt under the id of its command, which makes it idempotent. Drops what is too old or too much."""
    key = keys.skill_outcomes(counted.repository)
    redis.hset(key, command_id, _COUNT.encode(counted))
    redis.expire(key, int(KEPT_SECONDS))
    stored: Any = redis.hgetall(key)
    ordered = sorted(((_COUNT.decode(raw).at, decode(name)) for name, raw in stored.items()), reverse=True)
    old = [name for place, (at, name) in enumerate(ordered) if place >= MOST_KEPT or at < counted.at - KEPT_SECONDS]
    if old:
        redis.hdel(key, *old)


def list_skill_outcomes(redis: Redis, repository: str) -> list[CountSkills]:
    """The recorded attempts of about 90 days, in no order."""
    stored: Any = redis.hgetall(keys.skill_outcomes(repository))
    return [_COUNT.decode(raw) for raw in stored.values()]


def count_outcomes(counted: Sequence[CountSkills]) -> tuple[SkillStatistics, ...]:
    """The statistics of each skill, those with most attempts first. Pure."""
    numbers = Counter((skill, one.ending) for one in counted for skill in one.skills)
    outcomes: tuple[SkillOutcome, ...] = ("accepted", "rejected", "escalated")
    found = [
        SkillStatistics(skill=skill, **{outcome: numbers[skill, outcome] for outcome in outcomes})
        for skill in sorted({skill for skill, _ in numbers})
    ]
    return tuple(sorted(found, key=lambda one: -one.attempts))
