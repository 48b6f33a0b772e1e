"""Merged lines of each repository, with and without a review by a person. Written once per merged pull request.

Each ticket keeps its own numbers in the board memory too, from which a rebuild restores them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis

from integrations.values import Codec, Identifier, value
from jobs.runtime import keys

DAY, WEEK = 86_400.0, 7 * 86_400.0
KEPT_SECONDS = 8 * WEEK


@value
class MergedPullRequest:
    """A merged pull request. `at` is Unix seconds; `lines` are those added and removed."""

    number: int
    identifier: Identifier
    at: float
    lines: int
    reviewed: bool
    url: str = ""


_MERGED: Codec[MergedPullRequest] = Codec(MergedPullRequest)


def record_merged(redis: Redis, repository: str, merged: MergedPullRequest) -> None:
    """Record it under its number, which makes it idempotent. Drops what is older than eight weeks."""
    key = keys.merged_lines(repository)
    old = [one.number for one in list_merged(redis, repository) if one.at < merged.at - KEPT_SECONDS]
    if old:
        redis.hdel(key, *map(str, old))
    redis.hset(key, str(merged.number), _MERGED.encode(merged))
    redis.expire(key, int(KEPT_SECONDS))


def list_merged(redis: Redis, repository: str) -> list[MergedPullRequest]:
    """The merged pull requests of about eight weeks, the oldest first."""
    stored: Any = redis.hgetall(keys.merged_lines(repository))
    return sorted(map(_MERGED.decode, stored.values()), key=lambda one: (one.at, one.number))


def count_unreviewed(merged: Sequence[MergedPullRequest], now: float, since: float = WEEK) -> int:
    """The lines without a review of the last seven days. Pure."""
    return sum(one.lines for one in merged if not one.reviewed and now - since < one.at <= now)
