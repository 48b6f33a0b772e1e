"""The lessons of each repository. Each ticket keeps its own drafts in the board memory too, from which a rebuild
restores them; the code host has the pull requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.client import Pipeline

from jobs.loop.lesson_state import LESSON, Lesson
from jobs.runtime import keys
from jobs.runtime.scripts import decode


class Lessons:
    """All lessons in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def list_repositories(self) -> list[str]:
        """The repositories with lessons, by name."""
        return sorted(decode(name) for name in self._redis.smembers(keys.WITH_LESSONS))

    def list(self, repository: str) -> tuple[Lesson, ...]:
        """The lessons of the repository, the one that changed last first."""
        stored: Any = self._redis.hgetall(keys.lessons(repository))
        return tuple(sorted(map(LESSON.decode, stored.values()), key=lambda one: (-one.changed_at, one.id)))

    def change(self, repository: str, rule: Callable[[tuple[Lesson, ...]], tuple[Lesson, ...]]) -> None:
        """Replace the lessons by those that `rule` returns. Atomic: it is called again if they change meanwhile."""
        key = keys.lessons(repository)

        def write(pipe: Pipeline) -> None:
            stored: Any = pipe.hgetall(key)
            before = {one.id: one for one in map(LESSON.decode, stored.values())}
            after = {one.id: one for one in rule(tuple(before.values()))}
            pipe.multi()
            pipe.sadd(keys.WITH_LESSONS, repository)
            if gone := before.keys() - after.keys():
                pipe.hdel(key, *gone)
            changed: dict[Any, Any] = {
                name: LESSON.encode(one) for name, one in after.items() if before.get(name) != one
            }
            if changed:
                pipe.hset(key, mapping=changed)

        self._redis.transaction(write, key)

    def update(self, repository: str, lesson_id: str, rule: Callable[[Lesson], Lesson]) -> Lesson | None:
        """Replace one lesson by the one that `rule` returns for its present state, and return it; None if it is gone.
        Atomic as `change`."""
        self.change(repository, lambda book: tuple(rule(one) if one.id == lesson_id else one for one in book))
        return next((one for one in self.list(repository) if one.id == lesson_id), None)
