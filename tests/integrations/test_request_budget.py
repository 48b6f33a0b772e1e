"""The request allowance: who may send now, how long the others wait, and that a refusal stops all."""

from __future__ import annotations

import pytest

from integrations.errors import OverBudget
from integrations.request_budget import Bucket, LocalBuckets, Priority, RequestBudget, decide_wait, use_priority

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("priority", "remaining", "wait"),
    [
        (Priority.MESSAGE, 1, 0.0),
        (Priority.MESSAGE, 0, 36.0),
        (Priority.PROGRESS, 21, 0.0),
        (Priority.PROGRESS, 20, 36.0),
        (Priority.BACKGROUND, 41, 0.0),
        (Priority.BACKGROUND, 31, 360.0),
    ],
)
def test_budget_leaves_the_rest_to_what_comes_first(priority: Priority, remaining: float, wait: float) -> None:
    bucket = Bucket(limit=100, remaining=remaining, at=NOW)
    assert decide_wait(bucket, priority, NOW) == pytest.approx(wait)


@pytest.mark.parametrize("priority", Priority)
def test_budget_that_is_unknown_counts_as_full(priority: Priority) -> None:
    assert decide_wait(None, priority, NOW) == 0.0


@pytest.mark.parametrize(("seconds", "remaining"), [(0, 0), (36, 1), (360, 10), (7_200, 100), (-50, 0)])
def test_budget_refills_with_time_and_never_beyond_its_limit(seconds: float, remaining: float) -> None:
    assert Bucket(limit=100, remaining=0, at=NOW).refill(NOW + seconds).remaining == pytest.approx(remaining)


def test_budget_after_a_clock_that_went_back_blocks_for_an_hour_at_most() -> None:
    blocked = Bucket(limit=100, remaining=100, at=NOW, blocked_until=NOW + 10_000_000)
    assert decide_wait(blocked, Priority.MESSAGE, NOW) == 3_600.0


def test_budget_counts_requests_until_the_next_response() -> None:
    budget = RequestBudget(LocalBuckets(), lambda: NOW)
    budget.observe("linear", "100", "2")
    budget.take("linear")
    budget.take("linear")
    with pytest.raises(OverBudget) as caught:
        budget.take("linear")
    assert caught.value.retry_after == pytest.approx(36)


def test_budget_in_a_block_has_its_priority_and_afterwards_the_usual_one() -> None:
    budget = RequestBudget(LocalBuckets(), lambda: NOW)
    budget.observe("linear", "100", "20")
    with use_priority(Priority.PROGRESS), pytest.raises(OverBudget):
        budget.take("linear")
    budget.take("linear")


def test_budget_after_a_refusal_is_closed_for_messages_too() -> None:
    budget = RequestBudget(LocalBuckets(), lambda: NOW)
    budget.block("linear", 40)
    with pytest.raises(OverBudget) as caught:
        budget.take("linear")
    assert caught.value.retry_after == pytest.approx(40)


@pytest.mark.parametrize("headers", [(None, None), ("", "5"), ("many", "5"), ("100", "-1"), ("0", "0")])
def test_budget_ignores_headers_that_are_not_numbers(headers: tuple[str | None, str | None]) -> None:
    budget = RequestBudget(LocalBuckets(), lambda: NOW)
    budget.observe("linear", *headers)
    for _ in range(10):
        budget.take("linear")
