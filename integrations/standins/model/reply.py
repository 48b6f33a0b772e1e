"""From a playbook's answer to a message in Anthropic's wire format, and to its server-sent events. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.standins.model.cache import tokens_in
from integrations.standins.model.playbook import Answer

WORDS_PER_CHUNK = 4
JSON_CHUNK = 160


def message(body: Mapping[str, Any], answer: Answer, prompt_usage: Mapping[str, int], ending: str) -> dict[str, Any]:
    """The whole message. `ending` is one of `server.ENDINGS`, or empty for the stop reason of the answer itself.

    Ids are made from the request, so that a repeated request gets the same message."""
    name = hashlib.sha256(json.dumps([body["model"], body["messages"]]).encode()).hexdigest()[:20]
    content = _content(answer, name)
    if not ending and tokens_in(content) > body["max_tokens"]:
        ending = "max_tokens"
    if ending:
        content = _shortened(content, ending)
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": _stop_reason(content, ending),
        "stop_sequence": None,
        "stop_details": _stop_details(ending),
        "usage": _usage(prompt_usage, content),
    }


def _content(answer: Answer, name: str) -> list[dict[str, Any]]:
    texts = [{"type": "text", "text": answer.text}] if answer.text else []
    calls = [
        {"type": "tool_use", "id": f"toolu_{name}_{place}", "name": call.name, "input": dict(call.input)}
        for place, call in enumerate(answer.calls)
    ]
    return [*texts, *calls]


def _shortened(content: list[dict[str, Any]], ending: str) -> list[dict[str, Any]]:
    """A reply that ended early has no calls, and a cut one has half of its text."""
    if ending in ("refusal", "empty"):
        return []
    texts = [block["text"] for block in content if block["type"] == "text"]
    return [{"type": "text", "text": text[: len(text) // 2 + 1]} for text in texts]


def _stop_reason(content: list[dict[str, Any]], ending: str) -> str:
    if ending and ending != "empty":
        return ending
    return "tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn"


def _stop_details(ending: str) -> dict[str, Any] | None:
    if ending != "refusal":
        return None
    return {"type": "refusal", "category": None, "explanation": "The stand-in was asked to refuse."}


def _usage(prompt_usage: Mapping[str, int], content: list[dict[str, Any]]) -> dict[str, Any]:
    written = prompt_usage["cache_creation_input_tokens"]
    return {
        **prompt_usage,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens_in(content),
        "service_tier": "standard",
    }


def events(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """message_start, ping, each block as start, deltas and stop, message_delta, message_stop.

    The applied context edits come at the end, the cache diagnostics at the start."""
    started = message["usage"] | {"output_tokens": 1}
    empty: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    context = {"context_management": message["context_management"]} if "context_management" in message else {}
    empty |= dict.fromkeys(context)
    yield {"type": "message_start", "message": {**message, **empty, "usage": started}}
    yield {"type": "ping"}
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block)
    delta = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    usage = {"output_tokens": message["usage"]["output_tokens"]}
    yield {"type": "message_delta", "delta": delta, "usage": usage, **context}
    yield {"type": "message_stop"}


def _block_events(index: int, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    is_text = block["type"] == "text"
    start = {**block, "text": ""} if is_text else {**block, "input": {}}
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for piece in _word_chunks(block["text"]) if is_text else _json_chunks(block["input"]):
        key = "text" if is_text else "partial_json"
        delta = {"type": "text_delta" if is_text else "input_json_delta", key: piece}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _word_chunks(text: str) -> Iterator[str]:
    words = text.split(" ")
    for at in range(0, len(words), WORDS_PER_CHUNK):
        yield ("" if at == 0 else " ") + " ".join(words[at : at + WORDS_PER_CHUNK])


def _json_chunks(value: Any) -> Iterator[str]:
    """The first piece is empty, as the API's is."""
    text = json.dumps(value)
    yield ""
    for at in range(0, len(text), JSON_CHUNK):
        yield text[at : at + JSON_CHUNK]


def encoded(event: Mapping[str, Any]) -> bytes:
    """One event on the wire."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
