"""Request allowances in Redis: shared by all processes, and those of the process while Redis is unavailable."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from integrations.errors import OverBudget
from integrations.request_budget import RequestBudget
from jobs.runtime.buckets import RedisBuckets

NOW = 1_000_000.0


def open_budget(redis: Redis) -> RequestBudget:
    return RequestBudget(RedisBuckets(redis), lambda: NOW)


def is_admitted(budget: RequestBudget) -> bool:
    try:
        budget.take("linear")
    except OverBudget:
        return False
    return True


def test_buckets_are_shared_by_processes(redis: Redis) -> None:
    one, other = open_budget(redis), open_budget(redis)
    one.observe("linear", "100", "1")
    other.take("linear")
    with pytest.raises(OverBudget):
        one.take("linear")


def test_buckets_admit_no_more_than_is_left_when_many_take_at_once(redis: Redis) -> None:
    open_budget(redis).observe("linear", "100", "10")
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda _: is_admitted(open_budget(redis)), range(40)))
    assert sum(admitted) == 10


def test_buckets_work_without_redis() -> None:
    budget = open_budget(Redis(host="127.0.0.1", port=1))
    budget.observe("linear", "100", "1")
    assert [is_admitted(budget), is_admitted(budget)] == [True, False]
