"""Prices of model calls: the cost of a call from Anthropic's usage block, and its upper bound before the call.

Called by `runner`. Pure except for one warning per unknown model. A prompt is estimated as the usage of the last reply
plus the bytes of the entries since, at two bytes per token, which no text exceeds in practice; all of it counts at the
price of a cache write, the highest.
Source: https://platform.claude.com/docs/en/about-claude/pricing, as of November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import structlog

from integrations.agents.entries import find_last
from integrations.ports.agent_runner import Entry, Grant
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

BYTES_PER_TOKEN = 2
SMALLEST_REPLY = 1024
IMAGE_TOKENS = 5_000
"""The most that one image can have: https://platform.claude.com/docs/en/build-with-claude/vision"""
"""Tokens; with less an agent cannot report its state."""
_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
_SLACK = 4  # times an estimate; more tokens than that are no usage of this request
_SLACK_TOKENS = 20_000
_ADDED = frozenset({"brief", "steering", "note", "tool_result"})


def compute_usage(model: str, usage: Mapping[str, Any]) -> Usage:
    """Convert the `usage` object of Anthropic's wire format (null counts as 0); `input_tokens` of the result is the
    whole prompt, `cached_tokens` the part that was read from the cache."""
    fresh, read, written, output = (usage.get(key) or 0 for key in _COUNTS)
    prompt = fresh + read + written
    price = find_price(model, prompt)
    dollars = fresh * price.input + read * price.cache_read + written * price.cache_write + output * price.output
    cost_usd = round(dollars / 1_000_000, 6)
    return Usage(model_calls=1, input_tokens=prompt, cached_tokens=read, output_tokens=output, cost_usd=cost_usd)


def find_usage_problem(usage: Mapping[str, Any], prompt: int, output: int) -> str:
    """Why `usage` of a reply cannot be trusted, as a clause; empty if it can. `prompt` is the estimate of the request's
    tokens, `output` its limit for the reply."""
    counts = {key: 0 if usage.get(key) is None else usage[key] for key in _COUNTS}
    if missing := next((key for key in ("input_tokens", "output_tokens") if usage.get(key) is None), ""):
        return f"{missing} is missing"
    if wrong := next((key for key, count in counts.items() if type(count) is not int or count < 0), ""):
        return f"{wrong} is not a count"
    written = counts.pop("output_tokens")
    if not 0 < sum(counts.values()) <= _SLACK * prompt + _SLACK_TOKENS or written > _SLACK * output + _SLACK_TOKENS:
        return "it does not fit the request"
    return ""


def estimate_usage(model: str, prompt: int, output: int) -> Usage:
    """Return an upper bound of the usage of a call whose own usage cannot be trusted, marked as estimated."""
    return replace(estimate_worst_case(model, prompt, output), estimated_calls=1)


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


def estimate_prompt_tokens(request: Mapping[str, Any], entries: Sequence[Entry]) -> int:
    """Return an upper bound of the next prompt's tokens. `request` is its body, `entries` the transcript."""
    last = find_last(entries, "turn")
    usage = entries[last].data["usage"] if last is not None else {}
    if last is None or not usage.get("input_tokens"):
        texts, images = _split_images(request["messages"])
        return _tokens({"system": request["system"], "tools": request["tools"], "messages": texts}) + images
    added = [dict(entry.data) for entry in entries[last + 1 :] if entry.kind in _ADDED]
    return int(usage["input_tokens"] + usage["output_tokens"] + _tokens(added))


def _split_images(messages: Sequence[Mapping[str, Any]]) -> tuple[list[Any], int]:
    """The blocks without images, and the most tokens that the images can have."""
    blocks = [block for message in messages for block in message["content"]]
    texts = [block for block in blocks if block["type"] != "image"]
    return texts, IMAGE_TOKENS * (len(blocks) - len(texts))


def estimate_worst_case(model: str, prompt: int, output: int) -> Usage:
    """Return the usage of one call with `prompt` tokens and a reply of `output` tokens."""
    price = find_price(model, prompt)
    dollars = (prompt * _highest_input_price(price) + output * price.output) / 1_000_000
    return Usage(model_calls=1, input_tokens=prompt, output_tokens=output, cost_usd=round(dollars + 5e-7, 6))


def fit_output_tokens(grant: Grant, model: str, prompt: int, wanted: int) -> int:
    """Return the reply's token limit that keeps the call within the grant."""
    price = find_price(model, prompt)
    affordable = (grant.usd * 1_000_000 - prompt * _highest_input_price(price)) / price.output
    return max(1, min(wanted, int(affordable + 1e-6)))


def _highest_input_price(price: Price) -> float:
    return max(price.input, price.cache_write)


def _tokens(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode()) // BYTES_PER_TOKEN + 1
