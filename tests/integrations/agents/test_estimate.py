"""Upper bounds of the cost of a call: pure."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.agents.anthropic.prices import estimate_prompt_tokens, estimate_worst_case, fit_output_tokens
from integrations.agents.entries import turn_entry
from integrations.ports.agent_runner import Entry, Grant

MODEL = "claude-sonnet-5-5"  # 2.50 a million to write the cache, 10 a million of reply
REQUEST: dict[str, Any] = {"system": "s" * 4_000, "tools": [], "messages": [], "length": 16_000}


def test_prompt_estimate_of_the_first_call_uses_its_bytes() -> None:
    assert 2_000 < estimate_prompt_tokens(REQUEST, [Entry("brief", {"text": "x"})]) < 2_050


def test_prompt_estimate_of_a_later_call_adds_the_new_entries_to_the_last_usage() -> None:
    turn = turn_entry("tool_calls", {"input_tokens": 50_000, "output_tokens": 700}, 1)
    result = Entry("tool_result", {"content": "x" * 1_000})
    assert 51_200 < estimate_prompt_tokens(REQUEST, [turn, result]) < 51_300


@pytest.mark.parametrize("text", ["plain text", "日本語のテキスト", "{}[]()"])
def test_prompt_estimate_is_an_upper_bound_for_any_script(text: str) -> None:
    turn = turn_entry("tool_calls", {"input_tokens": 1, "output_tokens": 1}, 1)
    assert estimate_prompt_tokens(REQUEST, [turn, Entry("note", {"text": text * 100})]) >= len(text.encode()) * 100 / 3


def test_worst_case_prices_the_prompt_as_a_cache_write() -> None:
    assert estimate_worst_case(MODEL, 1_000_000, 100_000).cost_usd == pytest.approx(2.5 + 1.0, abs=2e-6)


def test_worst_case_of_a_long_prompt_has_the_second_price() -> None:
    assert (
        estimate_worst_case("claude-haiku-5-5", 100_001, 0).cost_usd
        > 4 * estimate_worst_case("claude-haiku-5-5", 100_000, 0).cost_usd
    )


@pytest.mark.parametrize("output", [1, 1_024, 9_999])
def test_reply_within_the_grant_costs_no_more_than_it(output: int) -> None:
    grant = Grant(estimate_worst_case(MODEL, 20_000, output).cost_usd)
    room = fit_output_tokens(grant, MODEL, 20_000, 16_000)
    assert output <= room <= output + 1 and estimate_worst_case(MODEL, 20_000, room).cost_usd <= grant.usd + 1e-5


def test_reply_is_never_longer_than_requested() -> None:
    assert fit_output_tokens(Grant(1_000), MODEL, 20_000, 16_000) == 16_000
