"""Context editing and cache diagnostics of the stand-in, read by Anthropic's own SDK with strict validation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic

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
    body: dict[str, Any] = {"model": "claude-test", "max_tokens": 100, "messages": messages}
    return body | ({"context_management": {"edits": list(edits)}} if edits else {})


def seen(uses: int, **changes: Any) -> list[bool]:
    """Whether the model still sees each result."""
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
def test_oldest_results_are_cleared(changes: dict[str, Any], expected: list[bool]) -> None:
    assert seen(3, **changes) == expected


@pytest.mark.parametrize(
    ("edit", "beta", "text"),
    [
        ({"type": "compact_now"}, BETA, "does not match any of the expected tags"),
        (EDIT | {"least": 1}, BETA, "edits.0.least: Extra inputs"),
        (EDIT, "", "context_management: Extra inputs"),
    ],
)
def test_invalid_edit_is_refused(edit: Any, beta: str, text: str) -> None:
    with pytest.raises(Refused, match=text):
        check(talk(1, edit) | {"stream": True}, [beta])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anthropic]:
    with (
        serve(create_app(tmp_path_factory.mktemp("model"))) as served,
        Anthropic(api_key="k", base_url=served.url, max_retries=0, _strict_response_validation=True) as client,
    ):
        yield client


def ask(client: Anthropic, **asked: Any) -> Any:
    """The final message of a stream."""
    with client.beta.messages.stream(**asked) as stream:
        return stream.get_final_message()


def test_reply_reports_the_applied_edits_and_counts_less(client: Anthropic) -> None:
    plain = ask(client, **talk(3))
    reply = ask(client, **talk(3, EDIT), betas=[BETA])
    (edit,) = reply.context_management.applied_edits
    assert edit.type == EDIT["type"] and edit.cleared_tool_uses == 2 and edit.cleared_input_tokens > 150
    assert reply.usage.input_tokens < plain.usage.input_tokens - 150


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"model": "claude-other"}, "model_changed"),
        ({"system": "y"}, "system_changed"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools_changed"),
        ({"messages": [{"role": "user", "content": "listen"}]}, "messages_changed"),
    ],
)
def test_diagnostics_name_the_changed_part(client: Anthropic, changes: dict[str, Any], reason: str | None) -> None:
    first = ask(client, **talk(1), system="x", diagnostics={"previous_message_id": None})
    asked: dict[str, Any] = talk(2) | {"system": "x"} | changes
    second = ask(client, **asked, diagnostics={"previous_message_id": first.id})
    found = second.diagnostics and second.diagnostics.cache_miss_reason
    assert (found.type if found else None) == reason


def test_diagnostics_of_an_unknown_message_are_no_change(client: Anthropic) -> None:
    reply = ask(client, **talk(1), diagnostics={"previous_message_id": "msg_of_yesterday"})
    assert reply.diagnostics.cache_miss_reason.type == "previous_message_not_found"
