"""Prices of calls."""

from __future__ import annotations

import pytest
import structlog

from integrations.agents.anthropic.prices import HIGHEST_PRICE, PRICES, Price, compute_usage, find_price
from integrations.values import Usage

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("claude-opus-5-5", Price(4, 0.20, 5, 20)),
        ("claude-opus-5-5-20261001", Price(4, 0.20, 5, 20)),
        ("claude-opus-5", Price(5, 0.50, 6.25, 25)),
        ("claude-sonnet-5-5", Price(2, 0.10, 2.5, 10)),
    ],
)
def test_price_is_that_of_the_longest_prefix(model: str, price: Price) -> None:
    assert find_price(model) == price


@pytest.mark.parametrize(
    ("part", "dollars"),
    [
        ("input_tokens", 2.0),
        ("cache_read_input_tokens", 0.1),
        ("cache_creation_input_tokens", 2.5),
        ("output_tokens", 10.0),
    ],
)
def test_price_differs_per_kind_of_token(part: str, dollars: float) -> None:
    assert compute_usage("claude-sonnet-5-5", {part: MILLION}).cost_usd == pytest.approx(dollars)


def test_usage_counts_the_whole_prompt_and_cache_reads() -> None:
    wire = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": None, "output_tokens": 3}
    usage = compute_usage("claude-sonnet-5-5", wire)
    assert usage == Usage(model_calls=1, input_tokens=21, cached_tokens=20, output_tokens=3, cost_usd=0.000034)


def test_price_of_a_long_haiku_prompt_is_higher_for_the_whole_call() -> None:
    assert find_price("claude-haiku-5-5", 100_000).output == 0.5
    assert find_price("claude-haiku-5-5", 100_001).output == 2.5


def test_price_of_an_unknown_model_is_the_highest_with_one_warning() -> None:
    with structlog.testing.capture_logs() as logs:
        assert find_price("gpt-of-tomorrow") == find_price("gpt-of-tomorrow") == HIGHEST_PRICE
    assert [line["model"] for line in logs] == ["gpt-of-tomorrow"]


def test_price_of_any_model_is_at_most_the_highest() -> None:
    assert all(part <= most for price in PRICES.values() for part, most in zip(price, HIGHEST_PRICE, strict=True))
