"""What a model call may cost at most, before it is made. Pure; called by `runner`, which reserves that much.

The prompt is that of the last reply by its usage, plus the entries since, counted by their bytes: two to a token is
more than any text of ours takes. All of it counts at the price of writing it to the cache, the dearest there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.agents.anthropic.prices import Price, price_of
from integrations.ports.agent_runner import Entry, Grant
from integrations.values import Usage

BYTES_PER_TOKEN = 2
SMALLEST_REPLY = 1024
"""Tokens; with less an agent cannot even report its state."""
_ADDED = frozenset({"brief", "steering", "note", "tool_result"})


def prompt_tokens(request: Mapping[str, Any], entries: Sequence[Entry]) -> int:
    """Tokens of the next prompt at most. `request` is its body, `entries` the transcript."""
    last = max((place for place, entry in enumerate(entries) if entry.kind == "turn"), default=None)
    usage = entries[last].data["usage"] if last is not None else {}
    if last is None or not usage.get("input_tokens"):
        return _tokens({part: request[part] for part in ("system", "tools", "messages")})
    added = [dict(entry.data) for entry in entries[last + 1 :] if entry.kind in _ADDED]
    return int(usage["input_tokens"] + usage["output_tokens"] + _tokens(added))


def worst_case(model: str, prompt: int, output: int) -> Usage:
    """One call of `prompt` tokens that is answered with `output`."""
    price = price_of(model, prompt)
    dollars = (prompt * _dearest(price) + output * price.output) / 1_000_000
    return Usage(model_calls=1, input_tokens=prompt, output_tokens=output, cost_usd=round(dollars + 5e-7, 6))


def output_within(grant: Grant, model: str, prompt: int, wanted: int) -> int:
    """How many tokens the reply may have, so that the call stays within what was granted."""
    price = price_of(model, prompt)
    affordable = (grant.usd * 1_000_000 - prompt * _dearest(price)) / price.output
    return max(1, min(wanted, int(affordable + 1e-6)))


def _dearest(price: Price) -> float:
    return max(price.input, price.cache_write)


def _tokens(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode()) // BYTES_PER_TOKEN + 1
