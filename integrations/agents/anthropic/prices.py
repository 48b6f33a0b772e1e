"""What model calls cost: one table, and the arithmetic from Anthropic's usage block to `Usage`.

Called by the runner after each model call, before the ledger is charged. Pure but for one warning per unknown model.
Source: https://platform.claude.com/docs/en/about-claude/pricing, as of November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import structlog

from integrations.values import Usage

log = structlog.get_logger(__name__)


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
# A prompt of more tokens than this, cache reads and writes included, pays the second price for all of the call.
LONG_PROMPTS: dict[str, tuple[int, Price]] = {"claude-haiku-5-5": (100_000, Price(0.50, 0.05, 0.625, 2.50))}
DEAREST = Price(*(max(column) for column in zip(*PRICES.values(), strict=True)))


def cost(model: str, usage: Mapping[str, Any]) -> Usage:
    """One call's `Usage` from the `usage` object of Anthropic's wire format (null counts as 0).

    `input_tokens` of the result is the whole prompt; `cached_tokens` is the part of it that was read from the cache."""
    fresh, read, written, output = (
        usage.get(key) or 0
        for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    )
    prompt = fresh + read + written
    price = price_of(model, prompt)
    dollars = fresh * price.input + read * price.cache_read + written * price.cache_write + output * price.output
    return Usage(
        model_calls=1,
        input_tokens=prompt,
        cached_tokens=read,
        output_tokens=output,
        cost_usd=round(dollars / 1_000_000, 6),
    )


def price_of(model: str, prompt_tokens: int = 0) -> Price:
    """The price of the longest known prefix of `model`; the dearest of all where none fits."""
    known = _known_prefix(model)
    if known is None:
        return DEAREST
    threshold, long_price = LONG_PROMPTS.get(known, (prompt_tokens, PRICES[known]))
    return long_price if prompt_tokens > threshold else PRICES[known]


@cache
def _known_prefix(model: str) -> str | None:
    known = max((prefix for prefix in PRICES if model.startswith(prefix)), key=len, default=None)
    if known is None:
        log.warning(
            "model has no price in integrations/agents/anthropic/prices.py, the dearest is charged", model=model
        )
    return known
