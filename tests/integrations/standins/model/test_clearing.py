"""Context editing and cache diagnosis of the stand-in, judged by Anthropic's own SDK with strict validation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic, BadRequestError

from integrations.standins.model.clearing import PLACEHOLDER, cleared
from integrations.standins.model.server import create_app
from integrations.standins.model.validation import Refused, check
from integrations.standins.wire import serve

BETA = "context-management-2025-06-27"
EDIT: dict[str, Any] = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "input_tokens", "value": 100},
    "keep": {"type": "tool_uses", "value": 1},
}


def talk(uses: int, *edits: dict[str, Any]) -> dict[str, Any]:
    """A conversation with `uses` long tool results."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "look"}]
    for n in range(uses):
        call = {"type": "tool_use", "id": f"t{n}", "name": "ab"[n % 2], "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"t{n}", "content": "x" * 400}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    body: dict[str, Any] = {"model": "m", "max_tokens": 100, "messages": messages}
    return body | ({"context_management": {"edits": list(edits)}} if edits else {})


def seen(uses: int, **changes: Any) -> list[bool]:
    """For each result, whether the model still sees it."""
    body, _ = cleared(talk(uses, EDIT | changes))
    blocks = [block for m in body["messages"] if isinstance(m["content"], list) for block in m["content"]]
    return [block["content"] != PLACEHOLDER for block in blocks if block["type"] == "tool_result"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [False, False, True]),
        ({"keep": {"type": "tool_uses", "value": 2}}, [False, True, True]),
        ({"keep": {"type": "tool_uses", "value": 9}}, [True, True, True]),
        ({"trigger": {"type": "input_tokens", "value": 9_000}}, [True, True, True]),
        ({"trigger": {"type": "tool_uses", "value": 2}}, [False, False, True]),
        ({"trigger": {"type": "tool_uses", "value": 3}}, [True, True, True]),
        ({"clear_at_least": {"type": "input_tokens", "value": 150}}, [False, False, True]),
        ({"clear_at_least": {"type": "input_tokens", "value": 500}}, [True, True, True]),
        ({"exclude_tools": ["a"]}, [True, False, True]),
    ],
)
def test_the_oldest_results_go(changes: dict[str, Any], expected: list[bool]) -> None:
    assert seen(3, **changes) == expected


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"type": "compact_now"}, "does not match any of the expected tags"),
        ("x", "does not match any of the expected tags"),
        (EDIT | {"least": 1}, "edits.0.least: Extra inputs"),
        (EDIT | {"keep": {"type": "input_tokens", "value": 1}}, "edits.0.keep.type"),
        (EDIT | {"trigger": {"type": "input_tokens"}}, "edits.0.trigger.value"),
    ],
)
def test_wrong_edits_are_refused(edit: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        check(talk(1, edit), betas=[BETA])


def test_without_the_beta_there_is_no_context_management() -> None:
    with pytest.raises(Refused, match="Extra inputs"):
        check(talk(1, EDIT))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anthropic]:
    with (
        serve(create_app(tmp_path_factory.mktemp("model"))) as served,
        Anthropic(api_key="k", base_url=served.url, max_retries=0, _strict_response_validation=True) as client,
    ):
        yield client


def test_whole_and_streamed_replies_tell_what_was_cleared(client: Anthropic) -> None:
    whole = client.beta.messages.create(**talk(3, EDIT), betas=[BETA])
    with client.beta.messages.stream(**talk(3, EDIT), betas=[BETA]) as stream:
        streamed = stream.get_final_message()
    for reply in (whole, streamed):
        assert reply.context_management
        (edit,) = reply.context_management.applied_edits
        assert edit.type == EDIT["type"] and edit.cleared_tool_uses == 2 and edit.cleared_input_tokens > 150


def test_what_was_cleared_is_not_counted(client: Anthropic) -> None:
    plain = client.beta.messages.create(**talk(3)).usage.input_tokens
    assert client.beta.messages.create(**talk(3, EDIT), betas=[BETA]).usage.input_tokens < plain - 150
    body = talk(3, EDIT)
    del body["max_tokens"]
    counted = client.beta.messages.count_tokens(**body, betas=[BETA])
    assert counted.context_management and counted.context_management.original_input_tokens == plain
    assert counted.input_tokens < plain - 150


def test_the_api_refuses_it_without_the_header(client: Anthropic) -> None:
    with pytest.raises(BadRequestError, match="context_management"):
        client.beta.messages.create(**talk(1, EDIT))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"model": "n"}, "model_changed"),
        ({"system": "y"}, "system_changed"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools_changed"),
        ({"messages": [{"role": "user", "content": "listen"}]}, "messages_changed"),
    ],
)
def test_the_cache_is_diagnosed(client: Anthropic, changes: dict[str, Any], reason: str | None) -> None:
    first = client.messages.create(**talk(1), system="x", diagnostics={"previous_message_id": None})
    asked: dict[str, Any] = talk(2) | {"system": "x"} | changes
    second = client.messages.create(**asked, diagnostics={"previous_message_id": first.id})
    found = second.diagnostics and second.diagnostics.cache_miss_reason
    assert (found.type if found else None) == reason


def test_an_unknown_message_is_no_change(client: Anthropic) -> None:
    reply = client.messages.create(**talk(1), diagnostics={"previous_message_id": "msg_of_yesterday"})
    assert reply.diagnostics and reply.diagnostics.cache_miss_reason
    assert reply.diagnostics.cache_miss_reason.type == "previous_message_not_found"


def test_log_and_home_hold_no_content(client: Anthropic, tmp_path: Path) -> None:
    with serve(create_app(tmp_path)) as served:
        asked = Anthropic(api_key="k", base_url=served.url, max_retries=0)
        asked.beta.messages.create(**talk(3, EDIT), betas=[BETA])
        asked.close()
    assert "xxxx" not in (tmp_path / "requests.jsonl").read_text()
