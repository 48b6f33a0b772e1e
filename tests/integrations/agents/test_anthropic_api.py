"""The runner against the live stand-in: whole runs, resuming, steering, limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.errors import NotAttempted
from integrations.ports.agent_runner import AgentOutcome, Entry, Grant, Refusal, ToolResult
from tests.integrations.agents.conftest import Model
from tests.integrations.agents.doubles import (
    BRIEF,
    FEATURE_BRIEF,
    FunctionToolbox,
    ListConversation,
    block_call,
    block_text,
    task,
)


def never() -> bool:
    return False


def advance(
    runner: AnthropicApi,
    conversation: ListConversation,
    toolbox: FunctionToolbox | None = None,
    stopped: Callable[[], bool] = never,
    **changes: Any,
) -> AgentOutcome | None:
    return runner.advance(task(**changes), conversation, toolbox or FunctionToolbox(), stopped, time.monotonic() + 60)


def test_run_ends_with_the_last_text_of_the_model(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done" and outcome.summary.startswith("Left-over cents")


def test_transcript_has_every_entry_in_order(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    kinds = [entry.kind for entry in conversation.kept]
    assert kinds[:7] == ["brief", "block", "block", "block", "turn", "tool_result", "tool_result"]
    assert kinds[-2:] == ["block", "turn"] and conversation.kept[-1].data["usage"]["model_calls"] == 1


def test_ledger_total_is_the_sum_of_the_turns(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    turns = conversation.of("turn")
    assert conversation.total.model_calls == len(turns) == 5
    assert conversation.total.cost_usd == pytest.approx(sum(turn["usage"]["cost_usd"] for turn in turns))


def test_prompt_cache_serves_most_of_the_prompt_after_turn_three(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    late = [turn["usage"] for turn in conversation.of("turn")][3:]
    assert late and all(usage["cached_tokens"] >= 0.8 * usage["input_tokens"] for usage in late)


def test_run_can_be_resumed_after_every_entry(runner: AnthropicApi) -> None:
    whole = ListConversation()
    expected = advance(runner, whole)
    for length in range(len(whole.kept)):
        again = ListConversation(whole.kept[:length])
        assert advance(runner, again) == expected, f"taken up after {length} entries"
        assert again.kept[:length] == whole.kept[:length]


def test_run_that_is_finished_makes_no_call(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    first = advance(runner, conversation)
    calls = len(model.log())
    assert advance(runner, conversation) == first and len(model.log()) == calls


def test_tool_call_of_a_crashed_process_gets_an_interrupted_result(runner: AnthropicApi) -> None:
    turn = Entry("turn", {"stop_reason": "tool_calls", "usage": {}, "blocks": 1})
    conversation = ListConversation([Entry("brief", {"text": BRIEF}), block_call("a"), turn])
    advance(runner, conversation)
    assert conversation.kept[3].data["content"].startswith("Interrupted, outcome unknown")


def test_blocks_of_a_crashed_process_are_not_sent(runner: AnthropicApi) -> None:
    conversation = ListConversation([Entry("brief", {"text": BRIEF}), block_text("half"), block_call("never run")])
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done"


def test_guidance_is_sent_once_with_the_next_call(runner: AnthropicApi) -> None:
    conversation = ListConversation()

    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        if arguments.get("path") == "tally/report.py" and not conversation.of("steering"):
            conversation.steer("please call it --format json")
        return ToolResult("ok")

    outcome = advance(runner, conversation, FunctionToolbox(act), brief=FEATURE_BRIEF)
    assert outcome and "--format json" in outcome.summary
    assert len(conversation.of("steering")) == 1
    turns_before = [entry.kind for entry in conversation.kept[: _place_of(conversation, "steering")]].count("turn")
    assert turns_before == 1


def _place_of(conversation: ListConversation, kind: str) -> int:
    return next(place for place, entry in enumerate(conversation.kept) if entry.kind == kind)


def test_guidance_during_the_last_reply_is_handled_before_the_run_ends(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation, brief=FEATURE_BRIEF)
    conversation.steer("please call it --as-json")
    outcome = advance(runner, conversation, brief=FEATURE_BRIEF)
    assert outcome and "--as-json" in outcome.summary


def test_tool_calls_of_one_reply_run_in_parallel(runner: AnthropicApi) -> None:
    both = threading.Barrier(2)

    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        if arguments.get("command") == "view":
            both.wait(timeout=10)  # breaks, and fails the run, when the two views come one after the other
        return ToolResult("ok")

    outcome = advance(runner, ListConversation(), FunctionToolbox(act))
    assert outcome and outcome.kind == "done"


def test_tool_result_is_stored_while_another_call_runs(runner: AnthropicApi) -> None:
    conversation = ListConversation()

    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        deadline = time.monotonic() + 10
        while arguments.get("path") == "tally/shares.py" and not conversation.of("tool_result"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return ToolResult("ok")

    outcome = advance(runner, conversation, FunctionToolbox(act))
    calls = [result["call_id"] for result in conversation.of("tool_result")]
    assert outcome and outcome.kind == "done" and [call[-2:] for call in calls[:2]] == ["_1", "_0"]


def test_final_result_is_the_outcome(runner: AnthropicApi) -> None:
    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        return ToolResult("taken", final=arguments) if name == "submit_verdict" else ToolResult("ok")

    checker: dict[str, Any] = {
        "system": "You are the checker. Judge.",
        "brief": f"{BRIEF}\n## Evidence\n\n- [c1] exit 0: ok\n",
    }
    outcome = advance(runner, ListConversation(), FunctionToolbox(act), **checker)
    assert outcome and outcome.final and outcome.final["results"][0]["result"] == "pass"


def test_reservation_refused_ends_the_run_before_the_call(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    conversation.leaves = [Refusal("the run's budget of $0.00 is used up ($0.00 spent)")]
    outcome = advance(runner, conversation)
    assert outcome == AgentOutcome("budget", "the run's budget of $0.00 is used up ($0.00 spent)")
    assert not model.log()


def test_reservation_refused_for_now_raises_not_attempted(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    conversation.leaves = [Refusal("later", 12.0)]
    with pytest.raises(NotAttempted, match="later") as caught:
        advance(runner, conversation)
    assert caught.value.retry_after == 12.0 and not model.log()


def test_reservation_exceeds_the_cost_of_the_call(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    turns = [turn["usage"] for turn in conversation.of("turn")]
    for turn, (least, most) in zip(turns, conversation.asked, strict=True):
        assert turn["input_tokens"] <= most.input_tokens == least.input_tokens < 4 * turn["input_tokens"]
        assert turn["cost_usd"] <= most.cost_usd and least.cost_usd < most.cost_usd


def test_reservation_lowered_shortens_the_reply_and_ends_a_run_that_is_cut_off(
    runner: AnthropicApi, model: Model
) -> None:
    conversation = ListConversation()
    conversation.leaves = [Grant(0.0, "the day's budget of $1.00 is used up ($0.99 spent)")]
    outcome = advance(runner, conversation)
    assert outcome == AgentOutcome("budget", "the day's budget of $1.00 is used up ($0.99 spent)")
    assert [entry["result"]["stop_reason"] for entry in model.log()] == ["max_tokens"]


def test_turn_limit_ends_the_run(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    outcome = advance(runner, conversation, max_turns=3)
    assert outcome and outcome.kind == "turns" and len(conversation.of("turn")) == 3


def test_wrap_up_note_comes_once_near_a_limit_of_the_ledger(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    conversation.share = 0.8
    advance(runner, conversation)
    assert ["limit is near" in note["text"] for note in conversation.of("note")] == [True]


def test_wrap_up_note_comes_once_near_the_turn_limit(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation, max_turns=5)
    assert ["limit is near" in note["text"] for note in conversation.of("note")] == [True]


def test_deadline_that_has_passed_allows_no_call(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    outcome = runner.advance(task(), conversation, FunctionToolbox(), never, time.monotonic())
    assert outcome is None and not model.log()


def test_run_in_many_slices_has_the_same_transcript(runner: AnthropicApi) -> None:
    whole, sliced = ListConversation(), ListConversation()
    expected = advance(runner, whole)

    def one_turn() -> AgentOutcome | None:
        toolbox = FunctionToolbox()
        return runner.advance(task(), sliced, toolbox, never, time.monotonic() + 0.01)

    outcomes = [outcome for _ in range(20) if (outcome := one_turn())]
    assert outcomes[0] == expected and len(sliced.kept) == len(whole.kept)
