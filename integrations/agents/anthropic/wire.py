"""Anthropic's wire format of tools, content blocks and stop reasons, and Loopline's form of them: pure functions.

Called by `messages` (to the wire) and `runner` (from it). Fields of a block that only Anthropic reads are kept as they
came in the block's `provider` part, so that a block goes back exactly as the model wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.ports.agent_runner import ToolSpec

EDITOR = "str_replace_based_edit_tool"
"""The only name that the API accepts for its editor."""
EDITOR_CHARACTERS = 16_000
_STOP_REASONS = {
    "tool_use": "tool_calls",
    "end_turn": "end",
    "stop_sequence": "end",
    "pause_turn": "paused",
    "refusal": "refused",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_full",
}
_FIELDS = {
    "text": {"text": "text"},
    "thinking": {"thinking": "text"},
    "redacted_thinking": {},
    "tool_use": {"id": "id", "name": "name", "input": "input"},
}
"""Per type of block: the fields that Loopline's form has too, by their name on the wire."""
_TYPES = {"text": "text", "thinking": "thinking", "redacted_thinking": "thinking", "tool_use": "tool_call"}


def tool_to_wire(spec: ToolSpec) -> dict[str, Any]:
    """The tool as the API wants it: its own typed tools where it has them, since the models are trained on those.

    Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview"""
    match spec.kind:
        case "bash":
            return {"type": "bash_20250124", "name": "bash"}
        case "editor":
            return {"type": "text_editor_20250728", "name": EDITOR, "max_characters": EDITOR_CHARACTERS}
        case _:
            return {"name": spec.name, "description": spec.description, "input_schema": dict(spec.parameters)}


def stop_reason(wire: str) -> str:
    """Loopline's name of a stop reason; an unknown one stays as it is."""
    return _STOP_REASONS.get(wire, wire)


def block_from_wire(wire: Mapping[str, Any], specs: Sequence[ToolSpec]) -> dict[str, Any]:
    """A content block of the assistant in Loopline's form. `specs` are the tools that the model was offered."""
    kind = wire["type"]
    if kind not in _TYPES:
        return {"type": "other", "text": kind, "provider": dict(wire)}
    shared = _FIELDS[kind]
    block = {"type": _TYPES[kind], **{ours: wire[theirs] for theirs, ours in shared.items()}}
    rest = {key: value for key, value in wire.items() if key not in shared and key != "type"}
    if kind == "redacted_thinking":
        block, rest = {**block, "text": ""}, {"type": kind, **rest}
    if kind == "tool_use":
        names = {tool_to_wire(spec)["name"]: spec.name for spec in specs}
        block["name"] = names.get(wire["name"], wire["name"])
        rest = rest if block["name"] == wire["name"] else {"name": wire["name"], **rest}
    return {**block, "provider": rest} if rest else block


def block_to_wire(block: Mapping[str, Any]) -> dict[str, Any]:
    """The block as the model wrote it."""
    own = dict(block.get("provider", {}))
    match block["type"]:
        case "text":
            return {"type": "text", "text": block["text"], **own}
        case "tool_call":
            return {"type": "tool_use", "id": block["id"], "name": block["name"], "input": block["input"], **own}
        case "thinking" if "type" in own:
            return own
        case "thinking":
            return {"type": "thinking", "thinking": block["text"], **own}
        case _:
            return own
