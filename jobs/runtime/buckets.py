"""The request allowances of all processes, kept in Redis (`integrations.request_budget`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from integrations.request_budget import HOUR, Bucket, LocalBuckets
from jobs.runtime import keys


class RedisBuckets:
    """Buckets that expire after two hours without a request; while Redis is unavailable, those of this process."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._local = redis, LocalBuckets()

    def update(self, name: str, change: Callable[[Bucket | None], Bucket | None]) -> None:
        key = keys.bucket(name)

        def transact(pipe: Pipeline) -> None:
            raw = pipe.get(key)
            before = Bucket(**json.loads(raw)) if raw else None
            after = change(before)
            pipe.multi()
            if after and after != before:
                pipe.set(key, json.dumps(asdict(after)), ex=int(2 * HOUR))

        try:
            self._redis.transaction(transact, key)
        except RedisError:
            self._local.update(name, change)
