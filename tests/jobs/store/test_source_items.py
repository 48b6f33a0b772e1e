"""Source items are bounded in number and size; the most urgent ones are kept."""

from __future__ import annotations

from typing import Any

from redis import Redis

from integrations.findings import SourceItem
from jobs.store.source_items import KEPT_SECONDS, MOST_BYTES, MOST_ITEMS, SourceItems


def item(number: int, **changes: Any) -> SourceItem:
    return SourceItem(**{"key": f"issue:{number}", "kind": "issue", "title": f"Issue {number}", **changes})


def test_source_items_are_read_back_the_most_urgent_first_and_expire(redis: Redis) -> None:
    items = [item(1), item(2, severity="urgent"), item(3, kind="check"), item(1, title="again")]

    assert SourceItems(redis).keep("run", items) == 0

    assert SourceItems(redis).read("run") == (items[1], items[2], items[0])
    assert SourceItems(redis).read("other") == ()
    assert KEPT_SECONDS - 10 < redis.ttl("source-items:run") <= KEPT_SECONDS


def test_source_items_replace_those_of_an_earlier_attempt(redis: Redis) -> None:
    store = SourceItems(redis)
    store.keep("run", [item(1)])
    store.keep("run", [item(2)])
    assert [one.key for one in store.read("run")] == ["issue:2"]
    store.keep("run", [])
    assert store.read("run") == ()


def test_source_items_beyond_the_number_lose_the_least_urgent(redis: Redis) -> None:
    flood = [item(number) for number in range(MOST_ITEMS)]
    assert SourceItems(redis).keep("run", [*flood, item(9_999, severity="urgent")]) == 1
    kept = SourceItems(redis).read("run")
    assert (len(kept), kept[0].key) == (MOST_ITEMS, "issue:9999")


def test_source_items_beyond_the_size_lose_the_least_urgent(redis: Redis) -> None:
    large = [item(number, detail="é" * (MOST_BYTES // 8)) for number in range(6)]
    assert SourceItems(redis).keep("run", [*large, item(9, severity="high")]) == 3
    kept = SourceItems(redis).read("run")
    assert [one.key for one in kept] == ["issue:9", "issue:0", "issue:1", "issue:2"]
