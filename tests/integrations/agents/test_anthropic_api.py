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


def test_a_run_ends_with_the_models_last_words(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done" and outcome.summary.startswith("Left-over cents")


def test_everything_is_in_the_transcript_in_order(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    kinds = [entry.kind for entry in conversation.kept]
    assert kinds[:7] == ["brief", "block", "block", "block", "turn", "tool_result", "tool_result"]
    assert kinds[-2:] == ["block", "turn"] and conversation.kept[-1].data["usage"]["model_calls"] == 1


def test_the_ledger_is_the_sum_of_the_turns(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    turns = conversation.of("turn")
    assert conversation.total.model_calls == len(turns) == 5
    assert conversation.total.cost_usd == pytest.approx(sum(turn["usage"]["cost_usd"] for turn in turns))


def test_the_prompt_cache_serves_most_of_the_prompt_after_turn_three(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    late = [turn["usage"] for turn in conversation.of("turn")][3:]
    assert late and all(usage["cached_tokens"] >= 0.8 * usage["input_tokens"] for usage in late)


def test_a_run_can_be_taken_up_after_every_entry(runner: AnthropicApi) -> None:
    whole = ListConversation()
    expected = advance(runner, whole)
    for length in range(len(whole.kept)):
        again = ListConversation(whole.kept[:length])
        assert advance(runner, again) == expected, f"taken up after {length} entries"
        assert again.kept[:length] == whole.kept[:length]


def test_a_finished_run_is_not_asked_again(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    first = advance(runner, conversation)
    calls = len(model.log())
    assert advance(runner, conversation) == first and len(model.log()) == calls


def test_a_call_of_a_dead_process_is_answered_as_interrupted(runner: AnthropicApi) -> None:
    turn = Entry("turn", {"stop_reason": "tool_calls", "usage": {}, "blocks": 1})
    conversation = ListConversation([Entry("brief", {"text": BRIEF}), block_call("a"), turn])
    advance(runner, conversation)
    assert conversation.kept[3].data["content"].startswith("Interrupted, outcome unknown")


def test_blocks_of_a_dead_process_are_not_sent(runner: AnthropicApi) -> None:
    conversation = ListConversation([Entry("brief", {"text": BRIEF}), block_text("half"), block_call("never run")])
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done"


def test_words_of_people_reach_the_model_once_and_before_its_next_call(runner: AnthropicApi) -> None:
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


def test_words_that_come_at_the_end_are_answered_before_the_run_ends(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation, brief=FEATURE_BRIEF)
    conversation.steer("please call it --as-json")
    outcome = advance(runner, conversation, brief=FEATURE_BRIEF)
    assert outcome and "--as-json" in outcome.summary


def test_calls_of_one_reply_run_at_the_same_time(runner: AnthropicApi) -> None:
    both = threading.Barrier(2)

    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        if arguments.get("command") == "view":
            both.wait(timeout=10)  # breaks, and fails the run, when the two views come one after the other
        return ToolResult("ok")

    outcome = advance(runner, ListConversation(), FunctionToolbox(act))
    assert outcome and outcome.kind == "done"


def test_a_result_is_kept_while_the_other_call_still_runs(runner: AnthropicApi) -> None:
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


def test_a_final_result_is_the_outcome(runner: AnthropicApi) -> None:
    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        return ToolResult("taken", final=arguments) if name == "submit_verdict" else ToolResult("ok")

    checker: dict[str, Any] = {
        "system": "You are the checker. Judge.",
        "brief": f"{BRIEF}\n## Evidence\n\n- [c1] exit 0: ok\n",
    }
    outcome = advance(runner, ListConversation(), FunctionToolbox(act), **checker)
    assert outcome and outcome.final and outcome.final["results"][0]["result"] == "pass"


def test_a_refusal_ends_a_run_before_the_call(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    conversation.leaves = [Refusal("the run's budget of $0.00 is used up ($0.00 spent)")]
    outcome = advance(runner, conversation)
    assert outcome == AgentOutcome("budget", "the run's budget of $0.00 is used up ($0.00 spent)")
    assert not model.log()


def test_a_refusal_for_now_is_handed_on(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    conversation.leaves = [Refusal("later", 12.0)]
    with pytest.raises(NotAttempted, match="later") as caught:
        advance(runner, conversation)
    assert caught.value.retry_after == 12.0 and not model.log()


def test_what_a_call_costs_is_less_than_what_was_asked_for(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation)
    turns = [turn["usage"] for turn in conversation.of("turn")]
    for turn, (least, most) in zip(turns, conversation.asked, strict=True):
        assert turn["input_tokens"] <= most.input_tokens == least.input_tokens < 4 * turn["input_tokens"]
        assert turn["cost_usd"] <= most.cost_usd and least.cost_usd < most.cost_usd


def test_a_lowered_grant_shortens_the_reply_and_a_cut_one_ends_the_run(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    conversation.leaves = [Grant(0.0, "the day's budget of $1.00 is used up ($0.99 spent)")]
    outcome = advance(runner, conversation)
    assert outcome == AgentOutcome("budget", "the day's budget of $1.00 is used up ($0.99 spent)")
    assert [entry["result"]["stop_reason"] for entry in model.log()] == ["max_tokens"]


def test_the_turn_cap_ends_a_run(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    outcome = advance(runner, conversation, max_turns=3)
    assert outcome and outcome.kind == "turns" and len(conversation.of("turn")) == 3


def test_the_agent_is_told_once_that_a_limit_of_the_ledger_is_near(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    conversation.share = 0.8
    advance(runner, conversation)
    assert ["limit is near" in note["text"] for note in conversation.of("note")] == [True]


def test_the_agent_is_told_once_that_its_turns_run_out(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    advance(runner, conversation, max_turns=5)
    assert ["limit is near" in note["text"] for note in conversation.of("note")] == [True]


def test_after_the_deadline_nothing_is_asked(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    outcome = runner.advance(task(), conversation, FunctionToolbox(), never, time.monotonic())
    assert outcome is None and not model.log()


def test_a_run_in_many_slices_is_the_same_run(runner: AnthropicApi) -> None:
    whole, sliced = ListConversation(), ListConversation()
    expected = advance(runner, whole)

    def one_turn() -> AgentOutcome | None:
        toolbox = FunctionToolbox()
        return runner.advance(task(), sliced, toolbox, never, time.monotonic() + 0.01)

    outcomes = [outcome for _ in range(20) if (outcome := one_turn())]
    assert outcomes[0] == expected and len(sliced.kept) == len(whole.kept)
