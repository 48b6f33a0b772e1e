"""The items that a run of an automation read, in Redis: bounded in number and size, dropped after a week.

A worker keeps them, and the agent process of the run reads them; the rules know their number alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis import Redis

from integrations.findings import SOURCE_ITEM, ItemKind, Severity, SourceItem
from jobs.runtime import keys

KEPT_SECONDS = 7 * 86_400
MOST_ITEMS, MOST_BYTES = 500, 4_000_000
_SEVERITIES: tuple[Severity, ...] = ("urgent", "high", "normal", "low")
_KINDS: tuple[ItemKind, ...] = (
    *("advisory", "check", "flaky", "command", "tool", "issue", "ticket", "pull_request", "release", "commit"),
)


class SourceItems:
    """The items of all runs in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def keep(self, run: str, items: Iterable[SourceItem]) -> int:
        """Replace the items of the run; returns the number of the least urgent ones that do not fit."""
        first: dict[str, SourceItem] = {}
        for item in items:
            first.setdefault(item.key, item)
        ordered = order_items(first.values())
        kept, size = list[str](), 0
        for item in ordered[:MOST_ITEMS]:
            kept.append(SOURCE_ITEM.encode(item))
            size += len(kept[-1].encode())
            if size > MOST_BYTES:
                kept.pop()
                break
        with self._redis.pipeline() as batch:
            batch.delete(keys.source_items(run))
            if kept:
                batch.rpush(keys.source_items(run), *kept)
                batch.expire(keys.source_items(run), KEPT_SECONDS)
            batch.execute()
        return len(ordered) - len(kept)

    def read(self, run: str) -> tuple[SourceItem, ...]:
        """The items of the run, the most urgent ones first."""
        stored: Any = self._redis.lrange(keys.source_items(run), 0, -1)
        return tuple(map(SOURCE_ITEM.decode, stored))


def order_items(items: Iterable[SourceItem]) -> list[SourceItem]:
    """The most urgent items first, of each kind in the order of their source. Pure."""
    return sorted(items, key=lambda one: (_SEVERITIES.index(one.severity), _KINDS.index(one.kind)))


def count_kinds(items: Sequence[SourceItem]) -> dict[str, int]:
    """The number of items by kind. Pure."""
    return {kind: number for kind in _KINDS if (number := sum(item.kind == kind for item in items))}
