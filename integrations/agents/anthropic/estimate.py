"""Upper bound of the cost of a model call. Pure; called by `runner`, which reserves that much.

The prompt counts as the usage of the last reply plus the bytes of the entries since, at two bytes per token, which no
text exceeds in practice. All of it counts at the price of a cache write, the highest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.agents.anthropic.prices import Price, find_price
from integrations.agents.entries import find_last
from integrations.ports.agent_runner import Entry, Grant
from integrations.values import Usage

BYTES_PER_TOKEN = 2
SMALLEST_REPLY = 1024
"""Tokens; with less an agent cannot report its state."""
_ADDED = frozenset({"brief", "steering", "note", "tool_result"})


def estimate_prompt_tokens(request: Mapping[str, Any], entries: Sequence[Entry]) -> int:
    """Return an upper bound of the next prompt's tokens. `request` is its body, `entries` the transcript."""
    last = find_last(entries, "turn")
    usage = entries[last].data["usage"] if last is not None else {}
    if last is None or not usage.get("input_tokens"):
        return _tokens({part: request[part] for part in ("system", "tools", "messages")})
    added = [dict(entry.data) for entry in entries[last + 1 :] if entry.kind in _ADDED]
    return int(usage["input_tokens"] + usage["output_tokens"] + _tokens(added))


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
