"""Results of checks on base commits, shared by all tickets of a repository.

A check is not repeated for the same base tree, environment and command. The number of trees is bounded, and each
expires after a week. Problems of the environment are not kept: an operator can fix them without a new commit.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any

from redis import Redis

from integrations.proof import Measured, pack, unpack
from integrations.results import BASE_CHECK, BaseCheck
from jobs.runtime import keys
from jobs.runtime.scripts import decode

MOST_TREES = 500
KEPT_SECONDS = 7 * 86_400
_REPORT = "report of "


class BaseChecks:
    """The results for one base tree in one environment; `digest` identifies the environment."""

    def __init__(self, redis: Redis, repository: str, tree: str, digest: str) -> None:
        name = hashlib.sha256("\n".join((repository.lower(), tree, digest)).encode()).hexdigest()[:32]
        self._redis, self._key = redis, keys.base_checks(name)

    def find(self, commands: Sequence[str]) -> dict[str, BaseCheck]:
        """The known results by command."""
        found: Any = self._redis.hmget(self._key, list(commands)) if commands else []
        return {command: BASE_CHECK.decode(raw) for command, raw in zip(commands, found, strict=True) if raw}

    def keep(self, check: BaseCheck) -> None:
        """Store one result, and drop the trees that were stored longest ago beyond the bound."""
        self._keep(check.command, BASE_CHECK.encode(check))

    def find_reports(self, commands: Sequence[str]) -> dict[str, Measured]:
        """The known runs with their reports, by command."""
        names = [f"{_REPORT}{command}" for command in commands]
        found: Any = self._redis.hmget(self._key, names) if names else []
        return {command: unpack(decode(raw)) for command, raw in zip(commands, found, strict=True) if raw}

    def keep_report(self, command: str, measured: Measured) -> None:
        """Store the run of a command of a contract or of the repository, as `keep`."""
        self._keep(f"{_REPORT}{command}", pack(measured))

    def _keep(self, name: str, value: str) -> None:
        with self._redis.pipeline() as batch:
            batch.hset(self._key, name, value)
            batch.expire(self._key, KEPT_SECONDS)
            batch.zadd(keys.BASE_TREES, {self._key: time.time()})
            batch.zcard(keys.BASE_TREES)
            *_, number = batch.execute()
        if number > MOST_TREES:
            oldest: Any = self._redis.zpopmin(keys.BASE_TREES, number - MOST_TREES)
            self._redis.delete(*(decode(key) for key, _ in oldest))
