"""Builders and readers of transcript entries, shared by all runners; shapes as in `agent_runner.Entry`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.ports.agent_runner import Entry, EntryKind, StopReason, ToolResult
from integrations.values import clean_value

Block = Mapping[str, Any]

INTERRUPTED = "Interrupted, outcome unknown; look before you repeat."


def clean_entry(entry: Entry) -> Entry:
    """The entry in a form that can be stored and sent."""
    return Entry(entry.kind, clean_value(entry.data))


def result_entry(call_id: str, result: ToolResult) -> Entry:
    """The result of a tool call."""
    data: dict[str, Any] = {"call_id": call_id, "content": result.content, "is_error": result.is_error}
    return Entry("tool_result", data if result.final is None else data | {"final": dict(result.final)})


def turn_entry(
    stop_reason: StopReason | str,
    usage: Mapping[str, Any],
    blocks: int,
    explanation: str = "",
    lowered: str = "",
    *,
    cleared: int = 0,
    model: str = "",
    provider: Mapping[str, Any] | None = None,
) -> Entry:
    """The end of a reply that consists of the last `blocks` blocks. `usage` is `Usage` as a dict; `lowered` names the
    limit that left no room for a reply of full length; the other arguments are described in `Entry`."""
    data: dict[str, Any] = {"stop_reason": stop_reason, "usage": dict(usage), "blocks": blocks}
    more = {"explanation": explanation, "lowered": lowered, "cleared": cleared, "model": model}
    more["provider"] = dict(provider or {})
    return Entry("turn", data | {key: value for key, value in more.items() if value})


def select_blocks(blocks: Sequence[Block], turn: Entry) -> list[Block]:
    """Select from `blocks`, all before `turn`, those of the turn, without the calls of a reply that was cut short.

    Earlier blocks can be left over from a model call that crashed."""
    own = blocks[max(0, len(blocks) - turn.data["blocks"]) :]
    return [block for block in own if block["type"] != "tool_call" or turn.data["stop_reason"] == "tool_calls"]


def find_last(entries: Sequence[Entry], kind: EntryKind) -> int | None:
    """Return the index of the last entry of this kind."""
    return max((index for index, entry in enumerate(entries) if entry.kind == kind), default=None)
