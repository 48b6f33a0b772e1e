"""Events of a reply, one by one: pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.agents.anthropic.reply import MAX_BLOCK_BYTES, Reply, parse_json
from integrations.errors import Unusable

START: dict[str, Any] = {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 7}}}
CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}
TEXT: dict[str, Any] = {"type": "text", "text": "", "citations": None}
END: list[dict[str, Any]] = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]


def block(start: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    parts = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    begin = {"type": "content_block_start", "index": index, "content_block": start}
    return [begin, *parts, {"type": "content_block_stop", "index": index}]


def read(*events: Any, reply: Reply | None = None) -> list[dict[str, Any]]:
    reply = reply or Reply()
    return [found for event in events if (found := reply.add_event(event)) is not None]


def part(kind: str, name: str, text: Any) -> dict[str, Any]:
    return {"type": kind, name: text}


def test_reply_joins_the_parts_of_its_blocks() -> None:
    reply = Reply()
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    found = read(
        START,
        *block(thought, part("thinking_delta", "thinking", "hm"), part("signature_delta", "signature", "sig")),
        *block(TEXT, part("text_delta", "text", "one "), part("text_delta", "text", "two"), index=1),
        *block(CALL, part("input_json_delta", "partial_json", '{"a":'), part("input_json_delta", "partial_json", "1}"),
               index=2),
        *END,
        reply=reply,
    )  # fmt: skip
    assert found == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "one two"},
        {**CALL, "input": {"a": 1}},
    ]
    assert reply.is_complete and reply.usage == {"input_tokens": 7, "output_tokens": 3} and reply.blocks == 3


def test_reply_ignores_events_blocks_and_parts_of_a_newer_api() -> None:
    new = {"type": "hologram", "shape": "cube"}
    assert read(START, {"type": "weather"}, *block(new, part("hologram_delta", "shape", "x")), *END) == [new]


def test_reply_gets_its_stop_reason_from_the_last_event_that_has_one() -> None:
    reply = Reply()
    read(START, {"type": "message_delta", "delta": {}, "usage": {}}, *END, reply=reply)
    assert reply.stop_reason == "end_turn"


@pytest.mark.parametrize(
    "events",
    [
        [END[1]],
        [START, START],
        [START, END[1]],
        [START, *END, *block(TEXT)],
        [START, *block(TEXT)[:1], *END],
        [START, *block(TEXT)[1:]],
        [START, *block(TEXT)[:1], *block(TEXT)],
        [START, {"type": "content_block_start", "index": "0", "content_block": TEXT}],
        [START, {"type": "content_block_start", "index": 0, "content_block": "text"}],
        [START, *block(TEXT, part("text_delta", "text", None))],
        [START, *block(TEXT, part("input_json_delta", "partial_json", "{}"))],
        [START, *block(TEXT, {"type": "text_delta", "text": "x" * (MAX_BLOCK_BYTES + 1)})],
        [START, *block({**CALL, "id": "a b"})],
        [START, *block({**CALL, "id": ""})],
        [START, *block({**CALL, "name": "x" * 201})],
        [START, *block({**CALL, "name": ["bash"]})],
        [START, *block(CALL, part("input_json_delta", "partial_json", "[]"))],
        [START, *block(CALL, part("input_json_delta", "partial_json", '{"a": 1'))],
        [START, *block(CALL), *block(CALL, index=1)],
        [{"type": "message_start", "message": []}],
        [{"type": "message_start"}],
        [{"type": None}],
        ["message_start"],
        [None],
    ],
)  # fmt: skip
def test_reply_with_an_invalid_event_is_unusable(events: list[Any]) -> None:
    with pytest.raises(Unusable, match=r"cannot be used: .+\.$"):
        read(*events)


def test_reply_that_repeats_the_id_of_an_earlier_call_is_unusable() -> None:
    with pytest.raises(Unusable, match="used twice"):
        read(START, *block(CALL), reply=Reply({"toolu_1"}))


def test_reply_drops_labels_of_another_type_and_shortens_long_ones() -> None:
    reply = Reply()
    deep = parse_json("[" * 400 + "]" * 400)
    refused = {"stop_reason": "refusal", "stop_details": {"explanation": deep}}
    start = {"id": deep, "diagnostics": {"cache_miss_reason": {"type": "x" * 9_999}}, "usage": {"input_tokens": deep}}
    read({"type": "message_start", "message": start}, {"type": "message_delta", "delta": refused}, reply=reply)
    assert (reply.message_id, reply.explanation, len(reply.cache_miss)) == ("", "", 200)


def test_reply_with_a_nested_stop_reason_is_unusable() -> None:
    with pytest.raises(Unusable, match="stop reason"):
        read(START, {"type": "message_delta", "delta": {"stop_reason": parse_json("[" * 400 + "]" * 400)}})


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "{", "[" * 100_000, "1" * 5_000, ""])
def test_json_that_cannot_be_written_again_is_unusable(text: str) -> None:
    with pytest.raises(Unusable):
        parse_json(text)


def test_json_of_an_event_can_have_any_text() -> None:
    assert parse_json(json.dumps({"text": "\ud800"})) == {"text": "\ud800"}
