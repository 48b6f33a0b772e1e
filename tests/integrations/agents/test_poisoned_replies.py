"""The runner with complete replies that cannot be used, over real HTTP: this run's failure, bounded and paid."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.agents.transcript import MAX_FAULTS
from integrations.errors import Unavailable, Unusable
from integrations.ports.agent_runner import AgentOutcome, Entry, ToolResult
from integrations.values import clean_text
from tests.integrations.agents.conftest import Model
from tests.integrations.agents.doubles import BRIEF, FunctionToolbox, ListConversation, task

UNUSABLE = [
    "stop_unknown", "no_stop_reason", "block_number", "text_number", "call_without_id", "call_twice",
    "call_name_number", "call_input_text", "call_deep", "call_giant", "call_infinite", "calls_many",
    "order", "bad_utf8", "no_json", "not_an_event",
    "giant", "json", "compressed",
]  # fmt: skip
USAGES = ["no_usage", "no_final_usage", "usage_text", "usage_negative", "usage_huge", "usage_zero"]


def advance(
    runner: AnthropicApi, conversation: ListConversation, toolbox: FunctionToolbox | None = None, **changes: Any
) -> AgentOutcome | None:
    tools = toolbox or FunctionToolbox()
    return runner.advance(task(**changes), conversation, tools, lambda: False, time.monotonic() + 60)


@pytest.mark.parametrize("kind", UNUSABLE)
def test_reply_that_cannot_be_used_ends_the_run_after_three_calls(
    runner: AnthropicApi, model: Model, kind: str
) -> None:
    conversation = ListConversation()
    model.misbehave(kind, times=MAX_FAULTS)
    ended = advance(runner, conversation)
    assert ended and ended.kind == "infrastructure", ended
    assert "3 model calls in a row" in ended.summary and "reply" in ended.summary
    assert len(model.log()) == len(conversation.of("fault")) == conversation.total.model_calls == MAX_FAULTS
    assert conversation.total.cost_usd > 0 and not conversation.of("turn")
    assert all(isinstance(failure, Unusable) for failure in conversation.failures)


@pytest.mark.parametrize("kind", UNUSABLE)
def test_reply_that_cannot_be_used_once_costs_one_call(runner: AnthropicApi, model: Model, kind: str) -> None:
    conversation = ListConversation()
    model.misbehave(kind)
    ended = advance(runner, conversation)
    assert ended and ended.kind == "done" and ended.summary.startswith("Left-over cents")
    assert len(conversation.of("fault")) == 1 and len(conversation.of("turn")) == 5


@pytest.mark.parametrize("kind", ["400", "order"])
def test_failed_calls_are_counted_over_all_slices(runner: AnthropicApi, model: Model, kind: str) -> None:
    whole = ListConversation()
    advance(runner, whole)
    first = next(place for place, entry in enumerate(whole.kept) if entry.kind == "turn") + 3
    conversation, outcomes = ListConversation(whole.kept[:first]), []
    model.misbehave(kind, times=MAX_FAULTS)
    for _ in range(5):
        outcomes.append(runner.advance(task(), conversation, FunctionToolbox(), lambda: False, time.monotonic() + 0.1))
    assert len(conversation.of("fault")) == MAX_FAULTS
    assert outcomes[-1] and outcomes[-1].kind == "infrastructure"


@pytest.mark.parametrize("kind", USAGES)
def test_usage_that_cannot_be_trusted_is_estimated(runner: AnthropicApi, model: Model, kind: str) -> None:
    conversation = ListConversation()
    model.misbehave(kind)
    with capture_logs() as logs:
        ended = advance(runner, conversation)
    assert ended and ended.kind == "done"
    first, second, *_ = conversation.of("turn")
    assert first["usage"]["estimated_calls"] == 1 and second["usage"]["estimated_calls"] == 0
    assert second["usage"]["input_tokens"] / 4 < first["usage"]["input_tokens"] < 4 * second["usage"]["input_tokens"]
    assert 0 < first["usage"]["cost_usd"] < 1 and conversation.total.estimated_calls == 1
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["usage of a model call estimated"]


def test_usage_with_nan_ends_no_run(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    model.misbehave("usage_nan")
    ended = advance(runner, conversation)
    assert ended and ended.kind == "done" and conversation.total.cost_usd > 0


def test_message_id_of_another_type_is_ignored(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    model.misbehave("id_number")
    ended = advance(runner, conversation)
    assert ended and ended.kind == "done" and not conversation.of("fault")


@pytest.mark.parametrize("kind", ["surrogate_text", "nul"])
def test_text_that_cannot_be_stored_is_replaced(runner: AnthropicApi, model: Model, kind: str) -> None:
    conversation = ListConversation()
    model.misbehave(kind)
    assert advance(runner, conversation) == AgentOutcome("done", "done \ufffd")


def test_tool_argument_with_a_lone_surrogate_reaches_the_tool_and_the_next_call(
    runner: AnthropicApi, model: Model
) -> None:
    conversation, given = ListConversation(), []

    def act(name: str, arguments: Any, stopped: Any) -> ToolResult:
        given.append(arguments)
        return ToolResult("half a character: \udc00, and NUL: \0", is_error=False)

    model.misbehave("surrogate_call")
    ended = advance(runner, conversation, FunctionToolbox(act))
    assert ended and ended.kind == "done" and given[0] == {"command": "echo \ufffd"}
    assert json.dumps([entry.data for entry in conversation.kept], ensure_ascii=False).encode()
    assert conversation.of("tool_result")[0]["content"] == "half a character: \ufffd, and NUL: ⟨U+0000⟩"


def test_surrogate_pair_that_was_split_between_two_parts_is_joined() -> None:
    assert clean_text("\ud83d" + "\ude00") == "\U0001f600"


def test_transcript_that_an_older_release_has_poisoned_goes_on(runner: AnthropicApi) -> None:
    call = {"type": "tool_call", "id": "toolu_1", "name": "bash", "input": {"command": "echo \ud800\0"}}
    turn = Entry("turn", {"stop_reason": "tool_calls", "usage": {}, "blocks": 1})
    result = Entry("tool_result", {"call_id": "toolu_1", "content": "\udfff\0", "is_error": False})
    conversation = ListConversation([Entry("brief", {"text": BRIEF + "\ud800"}), Entry("block", call), turn, result])
    ended = advance(runner, conversation, system="You are the maker. \udfff")
    assert ended and ended.kind == "done" and not conversation.of("fault")


@pytest.mark.parametrize("kind", ["pings", "drip"])
def test_reply_without_an_end_is_bounded_in_time(runner: AnthropicApi, model: Model, kind: str) -> None:
    begun = time.monotonic()
    model.misbehave(kind, times=MAX_FAULTS, seconds=20)
    ended = advance(runner, ListConversation(), reply_seconds=0.5, idle_seconds=5)
    assert ended and ended.kind == "infrastructure" and "did not end within" in ended.summary
    assert time.monotonic() - begun < 10


def test_reply_that_stops_arriving_concerns_the_provider(runner: AnthropicApi, model: Model) -> None:
    model.misbehave("silent", seconds=2)
    with pytest.raises(Unavailable):
        advance(runner, ListConversation(), idle_seconds=0.5)


@pytest.mark.parametrize(
    ("kind", "ended", "named"),
    [
        ("html", "infrastructure", "ANTHROPIC_BASE_URL"),
        ("redirect", "infrastructure", "ANTHROPIC_BASE_URL"),
        ("403", "credentials", "ANTHROPIC_API_KEY"),
        ("400", "infrastructure", "LOOPLINE_MAKER_MODEL"),
        ("too_long", "infrastructure", "LOOPLINE_MAKER_MODEL"),
    ],
)
def test_first_call_refused_names_the_setting_and_costs_nothing(
    runner: AnthropicApi, model: Model, kind: str, ended: str, named: str
) -> None:
    conversation = ListConversation()
    model.misbehave(kind)
    outcome = advance(runner, conversation, model_setting="LOOPLINE_MAKER_MODEL")
    assert outcome and outcome.kind == ended and named in outcome.summary
    assert conversation.total.cost_usd == 0 and len(model.log()) == 1


def test_model_that_does_not_exist_names_the_setting_and_costs_nothing(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    outcome = advance(runner, conversation, model="gpt-17", model_setting="LOOPLINE_MAKER_MODEL")
    assert outcome and outcome.kind == "infrastructure" and conversation.total.cost_usd == 0
    assert "gpt-17" in outcome.summary and "LOOPLINE_MAKER_MODEL" in outcome.summary and not model.log()
