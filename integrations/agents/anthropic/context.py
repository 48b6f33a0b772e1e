"""Context editing (clearing old tool results) and cache misses: pure functions.

Called by `messages` and `runner`. The provider clears the oldest tool results before the model sees the prompt, and
decides again at each call. In a long history it would clear one more per call, and each time the rest of the prompt
misses the cache. So the request keeps every result that the last call kept, until the prompt is too long again and
clearing more frees enough.
Source: https://platform.claude.com/docs/en/build-with-claude/context-editing
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from integrations.ports.agent_runner import ContextLimits, Entry
from integrations.values import Usage

BETA = "context-management-2025-06-27"
CLEARING = "clear_tool_uses_20250919"
CLEARED = "context_cleared"
"""Reason of a cache miss that the clearing caused."""
CHARACTERS_PER_TOKEN = 4
SMALLEST_CACHED = 4_096  # tokens; some models do not cache shorter prompts
MISSED_BELOW = 0.5  # of the previous call's prompt


def build_edits(limits: ContextLimits, entries: Sequence[Entry]) -> dict[str, Any]:
    """Build `context_management` of the next call."""
    edit = {
        "type": CLEARING,
        "trigger": {"type": "input_tokens", "value": limits.clear_at_tokens},
        "keep": {"type": "tool_uses", "value": _choose_keep(limits, entries)},
    }
    if limits.clear_at_least_tokens:
        edit["clear_at_least"] = {"type": "input_tokens", "value": limits.clear_at_least_tokens}
    return {"edits": [edit]}


def _choose_keep(limits: ContextLimits, entries: Sequence[Entry]) -> int:
    """Number of tool uses to keep. It clears more only when that frees enough."""
    turns = [entry.data for entry in entries if entry.kind == "turn"]
    gone = turns[-1].get("cleared", 0) if turns else 0
    results = [entry.data["content"] for entry in entries if entry.kind == "tool_result"]
    if not gone:
        return limits.keep_tool_uses
    more = results[gone : max(gone, len(results) - limits.keep_tool_uses)]
    freed = sum(len(json.dumps(text, ensure_ascii=False)) for text in more) // CHARACTERS_PER_TOKEN
    too_long = turns[-1]["usage"].get("input_tokens", 0) > limits.clear_at_tokens
    if too_long and more and freed >= limits.clear_at_least_tokens:
        return limits.keep_tool_uses
    return max(limits.keep_tool_uses, len(results) - gone)


def count_cleared_uses(applied: Sequence[Any]) -> int:
    """Count the tool uses that the provider cleared; `applied` is `applied_edits` of its response."""
    counts = (edit.get("cleared_tool_uses") for edit in applied if edit.get("type") == CLEARING)
    return sum(count for count in counts if type(count) is int and count > 0)


def add_cache_miss(usage: Usage, entries: Sequence[Entry], cleared: int, reason: str) -> Usage:
    """Count a cache miss in the call's usage where the cache served far less than the previous call's prompt.

    `entries` precede the call, `cleared` is its number of cleared tool uses, `reason` the provider's. A run's first
    call cannot miss."""
    turns = [entry.data for entry in entries if entry.kind == "turn"]
    if not usage.model_calls or not turns:
        return usage
    before = turns[-1]["usage"].get("input_tokens", 0)
    if before < SMALLEST_CACHED or usage.cached_tokens >= MISSED_BELOW * before:
        return usage
    why = CLEARED if cleared > turns[-1].get("cleared", 0) else reason
    return replace(usage, cache_misses=1, cache_miss_reason=why)
