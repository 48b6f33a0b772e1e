"""Validation of requests."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.standins.model.validation import Refused, check

TEXT = {"type": "text", "text": "hello"}
CALL = {"type": "tool_use", "id": "t1", "name": "bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
MARKED = TEXT | {"cache_control": {"type": "ephemeral"}}


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def body(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "claude-test", "max_tokens": 10, "stream": True, "messages": list(messages), **more}


@pytest.mark.parametrize(
    "good",
    [
        body({"role": "user", "content": "hello"}),
        body(user(TEXT), assistant(TEXT, CALL), user(RESULT, TEXT)),
        body(user(TEXT), {"role": "system", "content": "note"}, assistant(TEXT), user(TEXT)),
        body(user(MARKED), system=[MARKED], tools=[{"type": "text_editor_20250728", "name": "edit"}]),
        body(user(TEXT), assistant({"type": "text", "text": "paused"})),
    ],
)
def test_valid_request_passes(good: dict[str, Any]) -> None:
    check(good)


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ([], "object"),
        ({"max_tokens": 1, "messages": [user(TEXT)]}, "model: Field required"),
        (body(user(TEXT), temperature=1, surprise=2), "surprise: Extra inputs"),
        (body(user(TEXT)) | {"max_tokens": True}, "max_tokens"),
        (body(user(TEXT)) | {"model": 3}, "model"),
        (body(user(TEXT), stream=False), "stream"),
        (body(user(TEXT)) | {"messages": "hello"}, "messages"),
        (body(), "messages"),
        (body("hello"), "messages.0.role"),
        (body({"role": "robot", "content": "x"}), "messages.0.role"),
        (body({"role": "user", "content": ""}), "non-empty"),
        (body(user()), "non-empty"),
        (body(user({"text": "x"})), "messages.0.content.0.type"),
        (body(user({"type": "text"})), "messages.0.content.0.text.text"),
        (body(user({"type": "tool_result"})), "tool_use_id"),
        (body(user(TEXT), assistant({"type": "tool_use", "id": "t1", "name": "bash"})), "tool_use.input"),
        (body(user({"type": "text", "text": " "})), "text content blocks must be non-empty"),
        (body(assistant(TEXT)), "first message"),
        (body(user(TEXT), user(TEXT)), "roles must alternate"),
        (body(user(TEXT), assistant(CALL)), "without `tool_result`"),
        (body(user(TEXT), assistant(CALL), user(TEXT)), "without `tool_result`"),
        (body(user(TEXT), assistant(CALL), user(TEXT, RESULT)), "come before"),
        (body(user(TEXT), assistant(TEXT), user(RESULT)), "unexpected `tool_use_id`"),
        (body(user(TEXT), tools=[{"name": "a"}]), "input_schema"),
        (body(user(TEXT), tools=[{"type": "bash_20250124", "name": "bash"}] * 2), "unique"),
        (body(user(MARKED, MARKED, MARKED), system=[MARKED, MARKED]), "maximum of 4"),
    ],
)
def test_invalid_request_is_refused(bad: Any, text: str) -> None:
    with pytest.raises(Refused) as caught:
        check(bad)
    assert text in str(caught.value)


def image(media_type: str = "image/png", data: str = "iVBORw0KGgo=", kind: str = "base64") -> dict[str, Any]:
    return {"type": "image", "source": {"type": kind, "media_type": media_type, "data": data}}


def test_image_block_passes() -> None:
    check(body(user(TEXT, image())))


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "image"}, "image.source: Input tag"),
        (image(kind="file"), "image.source: Input tag"),
        (image("image/svg+xml"), "media_type: Input should be 'image/jpeg'"),
        (image(data="%%%"), "invalid base64 data"),
        (image("image/jpeg"), "Could not process image"),
        (image(data="iVBORw0KGgo=" + "AAAA" * 1_400_000), "invalid base64 data"),
        (image(data="iVBORw0KGgpB" + "AAAA" * 1_400_000), "image exceeds 5 MB maximum"),
    ],
)
def test_image_block_that_the_api_refuses_is_refused(block: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        check(body(user(TEXT, block)))
