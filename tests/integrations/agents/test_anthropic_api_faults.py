"""The runner with a faulty model, and stopped at any moment."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.errors import Unavailable
from integrations.ports.agent_runner import AgentOutcome, ToolResult
from tests.integrations.agents.conftest import Model
from tests.integrations.agents.doubles import FunctionToolbox, ListConversation, task


def never() -> bool:
    return False


def advance(
    runner: AnthropicApi,
    conversation: ListConversation,
    stopped: Callable[[], bool] = never,
    toolbox: FunctionToolbox | None = None,
    **changes: Any,
) -> AgentOutcome | None:
    return runner.advance(task(**changes), conversation, toolbox or FunctionToolbox(), stopped, time.monotonic() + 60)


@pytest.mark.parametrize("kind", ["529", "429", "500"])
def test_model_overloaded_is_unavailable_and_the_run_resumes(runner: AnthropicApi, model: Model, kind: str) -> None:
    conversation = ListConversation()
    model.misbehave(kind, seconds=0.1)
    with pytest.raises(Unavailable):
        advance(runner, conversation)
    assert [entry.kind for entry in conversation.kept] == ["brief"]
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done" and len(conversation.of("brief")) == 1


def test_retry_after_of_the_provider_is_passed_on(runner: AnthropicApi, model: Model) -> None:
    model.misbehave("429", seconds=2)
    with pytest.raises(Unavailable) as caught:
        advance(runner, ListConversation())
    assert caught.value.retry_after == 2


def test_guidance_taken_before_a_failed_call_is_kept(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()
    conversation.steer("hurry")
    model.misbehave("529")
    with pytest.raises(Unavailable):
        advance(runner, conversation)
    assert conversation.of("steering") and not conversation.waiting


@pytest.mark.parametrize("kind", ["drop", "short", "stream_error"])
def test_reply_that_is_cut_off_is_unavailable_and_charged(runner: AnthropicApi, model: Model, kind: str) -> None:
    conversation = ListConversation()
    model.misbehave(kind)
    with pytest.raises(Unavailable):
        advance(runner, conversation)
    assert not conversation.of("turn") and conversation.total.input_tokens > 0
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done"


def test_model_that_refuses_connections_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        runner = AnthropicApi("sk-ant-test", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unavailable, match="cannot be reached"):
            advance(runner, ListConversation())
        runner.close()


def test_bad_request_of_the_first_call_ends_the_run_with_the_message_of_the_provider(runner: AnthropicApi) -> None:
    ended = advance(runner, ListConversation(), max_output_tokens=0, model_setting="LOOPLINE_MAKER_MODEL")
    assert ended and ended.kind == "infrastructure"
    assert "max_tokens" in ended.summary and "LOOPLINE_MAKER_MODEL" in ended.summary


@pytest.mark.parametrize(
    ("kind", "times", "outcome"),
    [
        ("max_tokens", 1, "done"),
        ("max_tokens", 2, "failed"),
        ("empty", 1, "done"),
        ("empty", 2, "failed"),
        ("refusal", 1, "refused"),
        ("model_context_window_exceeded", 1, "turns"),
    ],
)
def test_reply_with_another_stop_reason(
    runner: AnthropicApi, model: Model, kind: str, times: int, outcome: str
) -> None:
    model.misbehave(kind, times)
    ended = advance(runner, ListConversation())
    assert ended and ended.kind == outcome and ended.summary


@pytest.mark.parametrize("kind", ["slow", "silent"])
def test_stop_ends_a_reply_within_a_second(runner: AnthropicApi, model: Model, kind: str) -> None:
    conversation, begun = ListConversation(), time.monotonic()
    model.misbehave(kind, seconds=20)
    outcome = advance(runner, conversation, stopped=lambda: time.monotonic() > begun + 0.5)
    assert outcome == AgentOutcome("stopped") and time.monotonic() - begun < 1.5
    assert not conversation.of("turn")


def test_stop_interrupts_a_tool(runner: AnthropicApi) -> None:
    pressed: list[bool] = []

    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        pressed.append(True)
        while not stopped():
            time.sleep(0.01)
        return ToolResult("stopped", is_error=True)

    conversation = ListConversation()
    outcome = advance(runner, conversation, stopped=lambda: bool(pressed), toolbox=FunctionToolbox(act))
    assert outcome == AgentOutcome("stopped") and len(conversation.of("tool_result")) == 2


def test_stopped_run_can_be_resumed(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    assert advance(runner, conversation, stopped=lambda: True) == AgentOutcome("stopped")
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done"


def test_tool_that_raises_stops_the_others_and_keeps_the_transcript(runner: AnthropicApi) -> None:
    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        if arguments.get("path") == "tally/shares.py":
            raise Unavailable("no sandbox")
        while not stopped():
            time.sleep(0.01)
        return ToolResult("stopped", is_error=True)

    conversation = ListConversation()
    with pytest.raises(Unavailable, match="no sandbox"):
        advance(runner, conversation, toolbox=FunctionToolbox(act))
    outcome = advance(runner, conversation)
    assert outcome and outcome.kind == "done"
