"""The runner with a model that is spinning, and with one that reads for long."""

from __future__ import annotations

import dataclasses
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.ports.agent_runner import AgentOutcome, ContextLimits, Entry, SpinningLimits, ToolResult
from integrations.standins.model.clearing import PLACEHOLDER
from integrations.standins.model.playbook import Answer, Playbook, bash, view
from integrations.standins.model.playbooks import playbook_for
from integrations.standins.model.request import Request
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve
from tests.integrations.agents.conftest import Model
from tests.integrations.agents.doubles import FunctionToolbox, ListConversation, task

TESTS = bash("pytest -q")
SYSTEM = "You are the maker. " + "You change one repository until the contract holds. " * 240
LONG = "x = 1  # a line of code as long as lines are\n" * 45
CLEARING = ContextLimits(clear_at_tokens=20_000, keep_tool_uses=4, clear_at_least_tokens=5_000)


def stubborn(request: Request) -> Answer:
    return Answer("Once more.", (TESTS,))


def heeding(request: Request) -> Answer:
    if not request.notes:
        return stubborn(request)
    return (
        Answer("I believe the import is wrong.", (view("a.py"),)) if request.step < 4 else Answer("Done another way.")
    )


def reading(request: Request) -> Answer:
    return Answer("Next.", (view(f"{request.step}.py"),)) if request.step < 60 else Answer("I have read it all.")


def remembering(request: Request) -> Answer:
    seen = sum(exchange.result != PLACEHOLDER for exchange in request.exchanges)
    return Answer(f"I still see {seen}.", () if request.step == 60 else (view(f"{request.step}.py"),))


ANSWERS = {answer.__name__: answer for answer in (stubborn, heeding, reading, remembering)}
PLAYBOOK = Playbook(
    "circles", lambda request: request.title in ANSWERS, lambda request: ANSWERS[request.title](request)
)


@pytest.fixture(scope="module")
def model_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(create_app(tmp_path_factory.mktemp("model"), choose=partial(playbook_for, first=[PLAYBOOK]))) as served:
        yield served.url


@pytest.fixture
def runner(model: Model) -> Iterator[AnthropicApi]:
    api = AnthropicApi(f"key-{uuid.uuid4()}", model.url)
    yield api
    api.close()


def failing(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
    return ToolResult(f"1 failed in {time.monotonic() % 1:.2f}s\n[exit 1]", is_error=name == "bash")


def run(
    runner: AnthropicApi, who: str, conversation: ListConversation, toolbox: FunctionToolbox, **changes: Any
) -> AgentOutcome | None:
    known: dict[str, Any] = {"brief": f"Ticket ENG-1: {who}\n", "system": SYSTEM, "max_turns": 99}
    return runner.advance(
        task(**known | changes), conversation, toolbox, lambda: False, changes.pop("until", time.monotonic() + 60)
    )


def notes(conversation: ListConversation) -> list[str]:
    return [note["spinning"]["kind"] for note in conversation.of("note") if "spinning" in note]


def test_spinning_agent_that_follows_the_note_finishes(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    outcome = run(runner, "heeding", conversation, FunctionToolbox(failing))
    assert outcome == AgentOutcome("done", "Done another way.") and notes(conversation) == ["same_error"]


def test_spinning_agent_that_ignores_the_note_ends_one_turn_later(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    outcome = run(runner, "stubborn", conversation, FunctionToolbox(failing))
    said = "The agent ran `pytest -q` 4 times in a row and got the same error each time."
    assert outcome == AgentOutcome("spinning", said)
    assert notes(conversation) == ["same_error"] and len(conversation.of("turn")) == 4


def test_spinning_is_detected_in_any_division_into_slices(runner: AnthropicApi) -> None:
    whole = ListConversation()
    expected = run(runner, "stubborn", whole, FunctionToolbox(failing))
    for length in range(len(whole.kept)):
        again = ListConversation(whole.kept[:length])
        outcome = run(runner, "stubborn", again, FunctionToolbox(failing))
        assert outcome and expected and outcome.kind == expected.kind, f"taken up after {length} entries"
        assert notes(again) == ["same_error"]


def test_spinning_counts_restart_after_guidance(runner: AnthropicApi) -> None:
    conversation = ListConversation()

    def act(name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool]) -> ToolResult:
        if len(conversation.of("turn")) == 3:
            conversation.steer("it is flaky, try again")
        return failing(name, arguments, stopped)

    outcome = run(runner, "stubborn", conversation, FunctionToolbox(act))
    assert outcome and outcome.kind == "spinning" and len(conversation.of("turn")) == 7


def test_mark_is_made_first_and_after_each_turn_that_could_write(runner: AnthropicApi) -> None:
    conversation, states = ListConversation(), itertools.count()
    toolbox = FunctionToolbox(failing, digest=lambda: f"tree-{next(states)}")
    run(runner, "stubborn", conversation, toolbox, max_turns=3)
    kinds = [entry.kind for entry in conversation.kept]
    assert kinds[:2] == ["brief", "mark"] and kinds.count("mark") == 4
    assert [kinds[place - 1] for place, kind in enumerate(kinds) if kind == "mark"][1:] == ["tool_result"] * 3


def test_mark_missed_in_a_crash_is_made_on_resume(runner: AnthropicApi) -> None:
    whole, toolbox = ListConversation(), FunctionToolbox(failing, digest=lambda: "tree")
    run(runner, "stubborn", whole, toolbox, max_turns=1)
    died = ListConversation(whole.kept[: [entry.kind for entry in whole.kept].index("tool_result") + 1])
    run(runner, "stubborn", died, toolbox, max_turns=1)
    assert len(died.of("mark")) == 2


def test_marks_are_not_sent_to_the_model(runner: AnthropicApi, model: Model) -> None:
    with_marks, without = ListConversation(), ListConversation()
    run(runner, "stubborn", with_marks, FunctionToolbox(failing, digest=lambda: "tree"), max_turns=2)
    run(runner, "stubborn", without, FunctionToolbox(failing), max_turns=2)
    tokens = [turn["usage"]["input_tokens"] for turn in with_marks.of("turn")]
    assert tokens == [turn["usage"]["input_tokens"] for turn in without.of("turn")]


def test_budget_without_progress_ends_a_maker(runner: AnthropicApi) -> None:
    limits = SpinningLimits(no_progress_usd=0.02)
    toolbox = FunctionToolbox(lambda *_: ToolResult(LONG), digest=lambda: "tree")
    outcome = run(runner, "reading", ListConversation(), toolbox, spinning=limits)
    assert outcome and outcome.kind == "budget" and "without progress" in outcome.summary


def test_conversation_that_has_become_too_long_ends_the_run(runner: AnthropicApi, model: Model) -> None:
    conversation = ListConversation()

    def act(*_: Any) -> ToolResult:
        model.misbehave("too_long")
        return ToolResult(LONG)

    outcome = run(runner, "reading", conversation, FunctionToolbox(act))
    assert outcome and outcome.kind == "turns" and "fresh attempt" in outcome.summary
    assert len(conversation.of("turn")) == 1


def test_prompt_that_is_too_long_from_the_start_is_a_matter_of_settings(runner: AnthropicApi, model: Model) -> None:
    model.misbehave("too_long")
    conversation = ListConversation()
    outcome = run(runner, "reading", conversation, FunctionToolbox())
    assert outcome and outcome.kind == "infrastructure" and "prompt is too long" in outcome.summary


def read_all(runner: AnthropicApi, who: str, context: ContextLimits | None) -> ListConversation:
    conversation = ListConversation()
    toolbox = FunctionToolbox(lambda name, given, _: ToolResult(f"{given['path']}\n{LONG}"))
    outcome = run(runner, who, conversation, toolbox, context=context)
    assert outcome and outcome.kind == "done", outcome
    return conversation


def hit_rate(conversation: ListConversation) -> float:
    late = [turn["usage"] for turn in conversation.of("turn")][3:]
    return float(sum(usage["cached_tokens"] for usage in late) / sum(usage["input_tokens"] for usage in late))


def test_cache_serves_nine_tenths_without_clearing(runner: AnthropicApi) -> None:
    conversation = read_all(runner, "reading", None)
    assert hit_rate(conversation) >= 0.9 and conversation.total.cache_misses == 0


def test_cache_serves_nine_tenths_with_clearing(runner: AnthropicApi) -> None:
    conversation = read_all(runner, "reading", CLEARING)
    cleared = [turn.get("cleared", 0) for turn in conversation.of("turn")]
    assert hit_rate(conversation) >= 0.9
    assert len(set(cleared)) == 3, "the place up to which results are gone moved twice"
    assert conversation.total.cache_misses == 2 and conversation.total.cache_miss_reason == "context_cleared"


def test_clearing_bounds_the_prompt(runner: AnthropicApi) -> None:
    longest = max(turn["usage"]["input_tokens"] for turn in read_all(runner, "reading", CLEARING).of("turn"))
    everything = max(turn["usage"]["input_tokens"] for turn in read_all(runner, "reading", None).of("turn"))
    assert longest < CLEARING.clear_at_tokens + 1_500 and everything > 1.5 * longest


def test_clearing_without_a_fixed_keep_misses_the_cache_at_every_call(runner: AnthropicApi, model: Model) -> None:
    """The reason for the `keep` of `context.build_edits`: the provider decides again at each request."""
    conversation, always = ListConversation(), dataclasses.replace(CLEARING, clear_at_tokens=1_000)
    toolbox = FunctionToolbox(lambda name, given, _: ToolResult(f"{given['path']}\n{LONG}"))
    run(runner, "reading", conversation, toolbox, context=dataclasses.replace(always, clear_at_least_tokens=0))
    assert hit_rate(conversation) < 0.6 and conversation.total.cache_misses > 20


def test_clearing_hides_old_results_from_the_model(runner: AnthropicApi) -> None:
    conversation = read_all(runner, "remembering", CLEARING)
    (last,) = (entry for entry in conversation.kept[-2:-1] if isinstance(entry, Entry))
    seen = int(last.data["text"].split()[-1].rstrip("."))
    assert seen == 60 - conversation.of("turn")[-1]["cleared"] < 40


def test_cache_miss_of_a_changed_prompt_has_the_reason_of_the_provider(runner: AnthropicApi) -> None:
    conversation = ListConversation()
    toolbox = FunctionToolbox(lambda *_: ToolResult(LONG))
    run(runner, "reading", conversation, toolbox, max_turns=5)
    run(runner, "reading", conversation, toolbox, max_turns=6, system=SYSTEM + "It is five past ten.")
    assert (conversation.total.cache_misses, conversation.total.cache_miss_reason) == (1, "system_changed")
