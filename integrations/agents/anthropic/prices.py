"""Prices of model calls, and the conversion of Anthropic's usage block to `Usage`.

Called by the runner after each model call. Pure except for one warning per unknown model.
Source: https://platform.claude.com/docs/en/about-claude/pricing, as of November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import structlog

from integrations.values import Usage

_log = structlog.get_logger(__name__)


class Price(NamedTuple):
    """US dollars per million tokens; `cache_write` is the five-minute kind."""

    input: float
    cache_read: float
    cache_write: float
    output: float


# The longest prefix of the model's name wins.
PRICES: dict[str, Price] = {
    "claude-fable-5": Price(10, 1.00, 12.50, 50),
    "claude-fable-5-1": Price(10, 0.25, 12.50, 50),
    "claude-mythos": Price(10, 1.00, 12.50, 50),
    "claude-mythos-5-1": Price(10, 0.25, 12.50, 50),
    "claude-opus-4": Price(15, 1.50, 18.75, 75),
    "claude-opus-4-5": Price(5, 0.50, 6.25, 25),
    "claude-opus-4-6": Price(5, 0.50, 6.25, 25),
    "claude-opus-4-7": Price(5, 0.50, 6.25, 25),
    "claude-opus-4-8": Price(5, 0.50, 6.25, 25),
    "claude-opus-5": Price(5, 0.50, 6.25, 25),
    "claude-opus-5-5": Price(4, 0.20, 5.00, 20),
    "claude-sonnet-4": Price(3, 0.30, 3.75, 15),
    "claude-sonnet-5": Price(2, 0.20, 2.50, 10),
    "claude-sonnet-5-5": Price(2, 0.10, 2.50, 10),
    "claude-haiku-4-5": Price(1, 0.10, 1.25, 5),
    "claude-haiku-5-5": Price(0.10, 0.01, 0.125, 0.50),
}
# With a longer prompt (tokens, cache reads and writes included) the whole call has the second price.
LONG_PROMPTS: dict[str, tuple[int, Price]] = {"claude-haiku-5-5": (100_000, Price(0.50, 0.05, 0.625, 2.50))}
HIGHEST_PRICE = Price(*(max(column) for column in zip(*PRICES.values(), strict=True)))


def compute_usage(model: str, usage: Mapping[str, Any]) -> Usage:
    """Convert the `usage` object of Anthropic's wire format (null counts as 0); `input_tokens` of the result is the
    whole prompt, `cached_tokens` the part that was read from the cache."""
    fresh, read, written, output = (
        usage.get(key) or 0
        for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    )
    prompt = fresh + read + written
    price = find_price(model, prompt)
    dollars = fresh * price.input + read * price.cache_read + written * price.cache_write + output * price.output
    cost_usd = round(dollars / 1_000_000, 6)
    return Usage(model_calls=1, input_tokens=prompt, cached_tokens=read, output_tokens=output, cost_usd=cost_usd)


def find_price(model: str, prompt_tokens: int = 0) -> Price:
    """Return the price of the longest known prefix of `model`, or the highest price."""
    known = _known_prefix(model)
    if known is None:
        return HIGHEST_PRICE
    threshold, long_price = LONG_PROMPTS.get(known, (prompt_tokens, PRICES[known]))
    return long_price if prompt_tokens > threshold else PRICES[known]


@cache
def _known_prefix(model: str) -> str | None:
    known = max((prefix for prefix in PRICES if model.startswith(prefix)), key=len, default=None)
    if known is None:
        _log.warning("model without a price in anthropic/prices.py, charging the highest", model=model)
    return known
