"""Replies that are complete but cannot be used, and streams that do not end: faults on the wire. Pure.

Called by `server`. Each kind changes a good message in one place.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integrations.standins.model.reply import encoded, events

Message = dict[str, Any]
HTML = b"<!doctype html><html><body>Welcome to nginx!</body></html>"
GIANT_BYTES = 20_000_000
DEPTH = 500


def _call(message: Message, **changes: Any) -> None:
    call = {"type": "tool_use", "id": "toolu_poisoned", "name": "bash", "input": {"command": "true"}}
    message["content"] = [{**call, **changes}]
    message["stop_reason"] = "tool_use"


def _text(message: Message, text: str) -> None:
    message["content"] = [{"type": "text", "text": text}]
    message["stop_reason"] = "end_turn"


def _nested() -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(DEPTH):
        value = {"a": value}
    return value


def _repeat_call(message: Message) -> None:
    _call(message)
    message["content"] *= 2


_CHANGES: dict[str, Callable[[Message], object]] = {
    "surrogate_call": lambda m: _call(m, input={"command": "echo \ud800"}),
    "surrogate_text": lambda m: _text(m, "done \udfff"),
    "nul": lambda m: _text(m, "done \0"),
    "no_usage": lambda m: m.pop("usage"),
    "no_final_usage": lambda m: m.update(only_first=True),
    "usage_text": lambda m: m["usage"].update(input_tokens="many"),
    "usage_negative": lambda m: m["usage"].update(input_tokens=-5),
    "usage_nan": lambda m: m["usage"].update(output_tokens=float("nan")),
    "usage_huge": lambda m: m["usage"].update(input_tokens=10**15),
    "usage_zero": lambda m: m.update(usage=dict.fromkeys(m["usage"], 0)),
    "stop_unknown": lambda m: m.update(stop_reason="coffee_break"),
    "no_stop_reason": lambda m: m.update(stop_reason=None),
    "no_blocks": lambda m: m.update(content=[], stop_reason="tool_use"),
    "block_number": lambda m: m.update(content=[{"type": 7}]),
    "text_number": lambda m: m.update(content=[{"type": "text", "text": 7}]),
    "call_without_id": lambda m: _call(m, id=None),
    "call_twice": _repeat_call,
    "call_name_number": lambda m: _call(m, name=7),
    "call_input_text": lambda m: _call(m, input="rm"),
    "call_deep": lambda m: _call(m, input=_nested()),
    "calls_many": lambda m: m.update(content=[{"type": "text", "text": "x"}] * 1_000),
    "call_infinite": lambda m: _call(m, input={"timeout": float("inf")}),
    "call_giant": lambda m: _call(m, input={"command": "x" * 3_000_000}),
    "id_number": lambda m: m.update(id=7),
}
"""The kind of fault, and how it changes the message."""
_STREAMS = ("order", "bad_utf8", "no_json", "not_an_event", "giant", "pings", "drip")
KINDS = (*_CHANGES, *_STREAMS, "html", "json", "redirect", "compressed")


def poisoned(kind: str, message: Mapping[str, Any], seconds: float) -> Iterator[bytes]:
    """The body of the response; `seconds` is how long an endless one lasts."""
    if kind in ("html", "redirect"):
        return iter([HTML])
    if kind == "json":
        return iter([json.dumps(message).encode()])
    if kind == "compressed":
        return iter([gzip.compress(b"".join(map(encoded, events(message))))])
    changed = json.loads(json.dumps(message))
    if kind in _CHANGES:
        _CHANGES[kind](changed)
        return _whole(changed)
    return _broken(kind, message, time.monotonic() + seconds)


def _whole(message: Message) -> Iterator[bytes]:
    """The stream of a message whose fields can have any type; deltas only where there is text."""
    usage = {"usage": message["usage"]} if "usage" in message and "only_first" not in message else {}
    yield encoded({"type": "message_start", "message": {**message, "content": [], "stop_reason": None}})
    for index, block in enumerate(message["content"]):
        yield encoded({"type": "content_block_start", "index": index, "content_block": block})
        yield encoded({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield encoded({"type": "message_delta", "delta": delta, **usage})
    yield encoded({"type": "message_stop"})


def _broken(kind: str, message: Mapping[str, Any], until: float) -> Iterator[bytes]:
    parts = [encoded(event) for event in events(message)]
    match kind:
        case "order":
            yield from (parts[-2], *parts[1:])
        case "bad_utf8":
            yield from (parts[0], b'event: content_block_start\ndata: {"type": "\xff\xfe"}\n\n', *parts[2:])
        case "no_json":
            yield from (parts[0], b"event: content_block_start\ndata: {oops\n\n", *parts[2:])
        case "not_an_event":
            yield from (parts[0], b"event: content_block_start\ndata: [1, 2]\n\n", *parts[2:])
        case "giant":
            yield parts[0]
            yield from (b"x" * 1_000_000 for _ in range(GIANT_BYTES // 1_000_000))
        case _:
            yield parts[0]
            while time.monotonic() < until:
                yield b'event: ping\ndata: {"type": "ping"}\n\n' if kind == "pings" else b":"
                time.sleep(0.1)
