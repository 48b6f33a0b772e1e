"""A finished message as the server-sent events in which Anthropic streams it. Pure; called by `server`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

WORDS_PER_CHUNK = 4
JSON_CHUNK = 160


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
