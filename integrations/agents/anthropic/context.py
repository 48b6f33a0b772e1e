"""Which old tool results leave the conversation, and which calls missed the prompt cache: pure functions.

Called by `messages` and `runner`. The provider empties the oldest results before the model sees the prompt, and
decides anew at each call from the whole history. Left to itself it would empty one more at every call once the history
is long, and each time the prompt behind that place has to be paid in full. So the place is kept where it is by asking
for exactly as many kept tool uses, until the prompt is too long again and moving on frees enough.
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
"""Our word for a cache miss that we asked for."""
CHARACTERS_PER_TOKEN = 4
SMALLEST_CACHED = 4_096  # tokens; below this some models cache nothing, which is no miss
MISSED_BELOW = 0.5  # of the prompt of the call before


def edits(limits: ContextLimits, entries: Sequence[Entry]) -> dict[str, Any]:
    """`context_management` of the next call."""
    edit = {
        "type": CLEARING,
        "trigger": {"type": "input_tokens", "value": limits.clear_at_tokens},
        "keep": {"type": "tool_uses", "value": _kept(limits, entries)},
    }
    if limits.clear_at_least_tokens:
        edit["clear_at_least"] = {"type": "input_tokens", "value": limits.clear_at_least_tokens}
    return {"edits": [edit]}


def _kept(limits: ContextLimits, entries: Sequence[Entry]) -> int:
    """How many tool uses to keep, so that the place up to which results are gone moves only when that is worth it."""
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


def cleared_uses(applied: Sequence[Any]) -> int:
    """How many tool uses the provider cleared; `applied` is `applied_edits` of its response."""
    return sum(edit.get("cleared_tool_uses", 0) for edit in applied if edit.get("type") == CLEARING)


def with_miss(usage: Usage, entries: Sequence[Entry], cleared: int, reason: str) -> Usage:
    """The call's usage, counted as a miss where the cache served far less than the prompt of the call before.

    `entries` are those before the call, `cleared` the tool uses that were emptied for it, `reason` the provider's word.
    A run's first call cannot miss: nothing of it was cached before."""
    turns = [entry.data for entry in entries if entry.kind == "turn"]
    if not usage.model_calls or not turns:
        return usage
    before = turns[-1]["usage"].get("input_tokens", 0)
    if before < SMALLEST_CACHED or usage.cached_tokens >= MISSED_BELOW * before:
        return usage
    why = CLEARED if cleared > turns[-1].get("cleared", 0) else reason
    return replace(usage, cache_misses=1, cache_miss_reason=why)
