"""Reads the events of a streamed reply into content blocks, and checks each of them. Pure; called by `client`.

The SDK's own snapshot accepts fields of any type. Here a reply that cannot be stored, run or sent back raises
`Unusable` before it becomes part of a transcript.
Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NoReturn

from integrations.agents.anthropic.prices import BYTES_PER_TOKEN
from integrations.errors import Unusable

MAX_BLOCK_BYTES = 1_000_000
MAX_BLOCKS = 200
MAX_LABEL = 200  # characters
MAX_DEPTH = 64  # of a tool call's input; Python's JSON parser ends at about 1,000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")  # the API refuses other ids and names when they are sent back
_EVENTS = {"message_start", "message_delta", "message_stop"}
_BLOCK_EVENTS = {"content_block_start", "content_block_delta", "content_block_stop"}
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "thinking"),
    "input_json_delta": ("partial_json", "tool_use"),
}
"""Kind of a delta: its field, and the kind of block that it belongs to."""
_TEXTS = {"text": ("text",), "thinking": ("thinking",), "redacted_thinking": ("data",), "tool_use": ("id", "name")}
_STOP_REASONS = frozenset(
    {"tool_use", "end_turn", "stop_sequence", "pause_turn", "refusal", "max_tokens", "model_context_window_exceeded"}
)


@dataclass
class _OpenBlock:
    """A block that is not complete: its first event, and the parts of its texts since."""

    start: Mapping[str, Any]
    parts: dict[str, list[str]] = field(default_factory=dict)
    citations: list[Any] = field(default_factory=list)


@dataclass
class Reply:
    """The received part of a reply. `call_ids` are those of the conversation's earlier tool calls, which this reply
    must not repeat. `usage` and `applied_edits` are in Anthropic's wire format, unchecked; `cache_miss` is its reason
    for a cache miss. `maybe_billed`: nothing was received, but the provider can bill the prompt."""

    call_ids: set[str] = field(default_factory=set)
    has_begun: bool = False
    is_complete: bool = False
    blocks: int = 0
    received: int = 0
    """Bytes of content."""
    stop_reason: str = ""
    explanation: str = ""
    message_id: str = ""
    model: str = ""
    cache_miss: str = ""
    applied_edits: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    has_final_usage: bool = False
    maybe_billed: bool = False
    _open: dict[int, _OpenBlock] = field(default_factory=dict)

    def add_event(self, event: Any) -> dict[str, Any] | None:
        """Add one event; returns the content block that it completes. Raises `Unusable`."""
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str):
            _reject("an event is not an object with a type")
        if kind not in _EVENTS | _BLOCK_EVENTS:
            return None  # the API can add kinds of events
        if self.has_begun is (kind == "message_start") or self.is_complete:
            _reject(f"the event {kind} is out of order")
        if kind in _BLOCK_EVENTS:
            return self._add_block_event(kind, event)
        match kind:
            case "message_start":
                self._begin(_object(event, "message"))
            case "message_delta":
                self._change(_object(event, "delta"), event)
            case _:
                self._end()
        return None

    def estimate_output(self) -> int:
        """Tokens of the received content, from its bytes."""
        return self.received // BYTES_PER_TOKEN

    def _begin(self, message: Mapping[str, Any]) -> None:
        self.has_begun = True
        self.message_id = _read_label(message, "id")
        self.model = _read_label(message, "model")
        self._merge_usage(message.get("usage"))
        self._read_notes(message)

    def _change(self, delta: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        self._merge_usage(usage := event.get("usage"))
        self.has_final_usage |= isinstance(usage, dict) and usage.get("output_tokens") is not None
        self._read_notes(event)
        stop = delta.get("stop_reason")
        if stop is None:
            return
        if not isinstance(stop, str) or stop not in _STOP_REASONS:
            _reject(
                f"its stop reason {stop[:60]!r} is unknown" if isinstance(stop, str) else "its stop reason is no text"
            )
        self.stop_reason = stop
        details = delta.get("stop_details")
        self.explanation = _read_label(details, "explanation", 2_000) if isinstance(details, dict) else ""

    def _end(self) -> None:
        if self._open:
            _reject("it ended within a content block")
        if not self.stop_reason:
            _reject("it has no stop reason")
        self.is_complete = True

    def _merge_usage(self, usage: object) -> None:
        """Counts of later events are totals: they replace earlier ones. Null means not applicable."""
        if isinstance(usage, dict):
            self.usage |= {key: value for key, value in usage.items() if value is not None}

    def _read_notes(self, part: Mapping[str, Any]) -> None:
        """The reason of a cache miss, and the applied context edits, from wherever they have the expected form."""
        match part.get("diagnostics"):
            case {"cache_miss_reason": {"type": str() as reason}}:
                self.cache_miss = reason[:MAX_LABEL]
        match part.get("context_management"):
            case {"applied_edits": list() as edits}:
                self.applied_edits = [edit for edit in edits if isinstance(edit, dict)]

    def _add_block_event(self, kind: str, event: Mapping[str, Any]) -> dict[str, Any] | None:
        index = event.get("index")
        if not isinstance(index, int) or (index in self._open) is (kind == "content_block_start"):
            _reject(f"the event {kind} belongs to no content block")
        if self.blocks + len(self._open) > MAX_BLOCKS:
            _reject(f"it has more than {MAX_BLOCKS} content blocks")
        if kind == "content_block_start":
            start = _object(event, "content_block")
            self.received += _measure(start)
            self._open[index] = _OpenBlock(start)
        elif kind == "content_block_delta":
            self._add_delta(self._open[index], _object(event, "delta"))
        else:
            block = self._complete(self._open.pop(index))
            self.blocks += 1
            return block
        return None

    def _add_delta(self, block: _OpenBlock, delta: Mapping[str, Any]) -> None:
        kind = delta.get("type")
        if kind == "citations_delta":
            block.citations.append(delta.get("citation"))
        if not isinstance(kind, str) or kind not in _DELTAS:
            return
        name, belongs_to = _DELTAS[kind]
        text = delta.get(name)
        if not isinstance(text, str) or block.start.get("type") != belongs_to:
            _reject(f"a {kind} has no text, or belongs to another kind of block")
        block.parts.setdefault(name, []).append(text)
        self.received += len(text.encode("utf-8", "surrogatepass"))
        if self.received > MAX_BLOCK_BYTES:
            _reject(f"it has more than {MAX_BLOCK_BYTES:,} bytes of content")

    def _complete(self, open_block: _OpenBlock) -> dict[str, Any]:
        block = {key: value for key, value in open_block.start.items() if value is not None}
        if not isinstance(kind := block.get("type"), str):
            _reject("a content block has no type")
        for name, parts in open_block.parts.items():
            block[name] = "".join([_text(block, name), *parts]) if name in block else "".join(parts)
        if open_block.citations:
            block["citations"] = open_block.citations
        if (given := block.pop("partial_json", "")) and kind == "tool_use":
            block["input"] = parse_json(given)
        for name in _TEXTS.get(kind, ()):
            _text(block, name)
        if kind == "tool_use":
            self._check_call(block)
        _measure(block)
        return block

    def _check_call(self, call: Mapping[str, Any]) -> None:
        if not isinstance(call.get("input"), dict):
            _reject("the input of a tool call is no object")
        for name in ("id", "name"):
            if not _NAME.fullmatch(call[name]):
                _reject(f"the {name} of a tool call is {call[name][:60]!r}")
        if call["id"] in self.call_ids:
            _reject(f"the id {call['id']} of a tool call is used twice")
        self.call_ids.add(call["id"])


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises `Unusable`, also for infinite numbers and too deep nesting."""
    try:
        return json.loads(text, parse_constant=_read_number, parse_float=_read_number)
    except (ValueError, RecursionError):
        _reject("a part of it is not JSON")


def _read_number(text: str) -> float:
    """A number that can be written as JSON again: not 1e999, NaN or Infinity."""
    if not isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _object(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        _reject(f"the field {name} is missing or no object")
    return value


def _text(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        _reject(f"the field {name} of a {block['type'][:60]} block is missing or no text")
    return value


def _read_label(part: Mapping[str, Any], name: str, longest: int = MAX_LABEL) -> str:
    """A text for people or diagnostics only; empty for another type."""
    value = part.get(name)
    return value[:longest] if isinstance(value, str) else ""


def _measure(block: Mapping[str, Any]) -> int:
    """Bytes of a block. Raises `Unusable` for one that is too large or nested too deeply."""
    if _measure_depth(block) > MAX_DEPTH:
        _reject(f"a content block is nested more than {MAX_DEPTH} levels deep")
    if (size := len(json.dumps(block))) > MAX_BLOCK_BYTES:
        _reject(f"a content block has more than {MAX_BLOCK_BYTES:,} bytes")
    return size


def _measure_depth(value: Any) -> int:
    """Levels of nesting, at most one more than `MAX_DEPTH`. Not recursive, as the value can be nested deeply."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level, depth = [inner for part in parts for inner in part], depth + 1
    return depth


def _reject(problem: str) -> NoReturn:
    raise Unusable(f"The model's reply cannot be used: {problem}.")
