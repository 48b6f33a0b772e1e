"""Tools whose calls are repeated with the same id: the result of another process that is not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.errors import NotAttempted
from integrations.ports.agent_runner import AgentOutcome, Entry, ToolResult, ToolSpec, Unanswered
from tests.integrations.agents.conftest import Model
from tests.integrations.agents.doubles import BRIEF, FunctionToolbox, ListConversation, block_call, task

TURN = Entry("turn", {"stop_reason": "tool_calls", "usage": {}, "blocks": 2})


class Repeating(FunctionToolbox):
    """Every tool repeats; the call `a` raises the errors in `raises`, in order, before it has a result."""

    def __init__(self, *raises: Exception) -> None:
        super().__init__()
        self.raises, self.ids = list(raises), list[str]()

    def specs(self) -> Sequence[ToolSpec]:
        return [replace(spec, repeats=True) for spec in super().specs()]

    def call(
        self, name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool], call_id: str = ""
    ) -> ToolResult:
        self.ids.append(call_id)
        if call_id == "a" and self.raises:
            raise self.raises.pop(0)
        return super().call(name, arguments, stopped, call_id)


def interrupted() -> ListConversation:
    """A run whose process died with two calls open."""
    return ListConversation([Entry("brief", {"text": BRIEF}), block_call("a"), block_call("b"), TURN])


def advance(
    runner: AnthropicApi, conversation: ListConversation, toolbox: Repeating, *, stopped: bool = False
) -> AgentOutcome | None:
    return runner.advance(task(), conversation, toolbox, lambda: stopped, time.monotonic() + 60)


def test_repeated_call_of_a_crashed_process_is_made_again_with_its_id(runner: AnthropicApi) -> None:
    conversation, toolbox = interrupted(), Repeating()
    outcome = advance(runner, conversation, toolbox)
    assert outcome and outcome.kind == "done" and sorted(toolbox.ids[:2]) == ["a", "b"]
    assert [result["is_error"] for result in conversation.of("tool_result")[:2]] == [False, False]


def test_repeated_call_without_a_result_ends_the_slice_and_keeps_the_others(runner: AnthropicApi, model: Model) -> None:
    conversation, toolbox = interrupted(), Repeating(Unanswered())
    calls = len(model.log())
    assert advance(runner, conversation, toolbox) is None
    assert [result["call_id"] for result in conversation.of("tool_result")] == ["b"] and len(model.log()) == calls
    outcome = advance(runner, conversation, toolbox)
    assert outcome and outcome.kind == "done" and toolbox.ids[2] == "a"


def test_repeated_call_without_a_result_ends_a_run_that_is_stopped(runner: AnthropicApi) -> None:
    outcome = advance(runner, interrupted(), Repeating(Unanswered()), stopped=True)
    assert outcome == AgentOutcome("stopped")


def test_repeated_call_that_has_to_wait_lets_the_run_back_off(runner: AnthropicApi) -> None:
    conversation, toolbox = interrupted(), Repeating(NotAttempted("the board is down", 90.0))
    with pytest.raises(NotAttempted, match="the board is down"):
        advance(runner, conversation, toolbox)
    assert [result["call_id"] for result in conversation.of("tool_result")] == ["b"]
    outcome = advance(runner, conversation, toolbox)
    assert outcome and outcome.kind == "done"
