"""Context editing and cache misses: pure."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from anthropic.types.beta import BetaClearToolUses20250919EditParam

from integrations.agents.anthropic.context import add_cache_miss, build_edits, count_cleared_uses
from integrations.agents.entries import result_entry, turn_entry
from integrations.ports.agent_runner import ContextLimits, Entry, ToolResult
from integrations.values import Usage

LIMITS = ContextLimits(clear_at_tokens=10_000, keep_tool_uses=3, clear_at_least_tokens=1_000)


def reply(prompt: int, cleared: int = 0) -> Entry:
    return turn_entry("tool_calls", {"input_tokens": prompt}, 0, cleared=cleared)


def results(count: int, characters: int = 400) -> list[Entry]:
    return [result_entry(str(n), ToolResult("x" * characters)) for n in range(count)]


def kept(entries: list[Entry]) -> int:
    return int(build_edits(LIMITS, entries)["edits"][0]["keep"]["value"])


def test_context_edit_has_the_type_of_the_sdk() -> None:
    (edit,) = build_edits(LIMITS, [])["edits"]
    assert edit.keys() <= get_type_hints(BetaClearToolUses20250919EditParam).keys()
    assert edit == {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "input_tokens", "value": 10_000},
        "keep": {"type": "tool_uses", "value": 3},
        "clear_at_least": {"type": "input_tokens", "value": 1_000},
    }


def test_context_edit_omits_an_unset_minimum() -> None:
    assert "clear_at_least" not in build_edits(ContextLimits(1_000, 1), [])["edits"][0]


@pytest.mark.parametrize(
    ("last", "count", "keep"),
    [
        (reply(9_000), 20, 3),
        (reply(20_000), 20, 3),
        (reply(5_000, cleared=17), 21, 4),
        (reply(9_999, cleared=17), 30, 13),
        (reply(10_001, cleared=17), 29, 12),
        (reply(10_001, cleared=17), 31, 3),
        (reply(10_001, cleared=30), 31, 3),
    ],
    ids=["below", "first time", "stays", "stays for long", "too little to gain", "moves on", "nothing more to clear"],
)
def test_context_edit_clears_more_only_when_it_frees_enough(last: Entry, count: int, keep: int) -> None:
    assert kept([*results(count), last]) == keep


def test_cleared_uses_count_tool_uses_only() -> None:
    thinking = {"type": "clear_thinking_20251015", "cleared_thinking_turns": 2}
    assert count_cleared_uses([{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 4}, thinking]) == 4
    assert count_cleared_uses([]) == 0


@pytest.mark.parametrize(
    ("before", "cached", "cleared", "expected"),
    [
        ([], 0, 0, (0, "")),
        ([reply(10_000)], 9_900, 0, (0, "")),
        ([reply(10_000)], 5_000, 0, (0, "")),
        ([reply(10_000)], 4_999, 0, (1, "messages_changed")),
        ([reply(10_000)], 0, 8, (1, "context_cleared")),
        ([reply(10_000, cleared=8)], 0, 8, (1, "messages_changed")),
        ([reply(4_000)], 0, 0, (0, "")),
    ],
)
def test_cache_miss_is_counted(before: list[Entry], cached: int, cleared: int, expected: tuple[int, str]) -> None:
    call = Usage(model_calls=1, input_tokens=11_000, cached_tokens=cached)
    usage = add_cache_miss(call, before, cleared, "messages_changed")
    assert (usage.cache_misses, usage.cache_miss_reason) == expected


def test_cache_miss_is_not_counted_for_a_failed_call() -> None:
    assert add_cache_miss(Usage(), [reply(10_000)], 0, "") == Usage()


def test_cache_miss_reason_of_a_sum_is_the_last() -> None:
    first, then = (Usage(cache_misses=1, cache_miss_reason=why) for why in ("system_changed", "tools_changed"))
    total = first.plus(then).plus(Usage())
    assert (total.cache_misses, total.cache_miss_reason) == (2, "tools_changed")
