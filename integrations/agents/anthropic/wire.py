"""Converts tools, content blocks and stop reasons between Anthropic's wire format and Loopline's: pure functions.

Called by `messages` (to the wire) and `runner` (from it). Fields of a block that only Anthropic reads are kept in its
`provider` part, so that a block is sent back exactly as it was received.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.ports.agent_runner import Image, ToolSpec

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
_BLOCKS: dict[str, tuple[str, dict[str, str]]] = {
    "text": ("text", {"text": "text"}),
    "thinking": ("thinking", {"thinking": "text"}),
    "redacted_thinking": ("thinking", {}),
    "tool_use": ("tool_call", {"id": "id", "name": "name", "input": "input"}),
}
"""Wire type: Loopline's type, and the names of the fields that both have (wire name: Loopline's)."""


def tool_to_wire(spec: ToolSpec) -> dict[str, Any]:
    """Convert a tool; uses the API's typed tools where they exist, because the models are trained on those.

    Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview"""
    match spec.kind:
        case "bash":
            return {"type": "bash_20250124", "name": "bash"}
        case "editor":
            return {"type": "text_editor_20250728", "name": EDITOR, "max_characters": EDITOR_CHARACTERS}
        case _:
            return {"name": spec.name, "description": spec.description, "input_schema": dict(spec.parameters)}


def image_to_wire(image: Image) -> dict[str, Any]:
    """Convert an image. Source: https://platform.claude.com/docs/en/build-with-claude/vision"""
    data = base64.b64encode(image.content).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": data}}


def translate_stop_reason(wire: str) -> str:
    """Return Loopline's name of a stop reason; an unknown one is kept."""
    return _STOP_REASONS.get(wire, wire)


def block_from_wire(wire: Mapping[str, Any], specs: Sequence[ToolSpec]) -> dict[str, Any]:
    """Convert a content block of the assistant; `specs` are the tools of the request."""
    kind = wire["type"]
    if kind not in _BLOCKS:
        return {"type": "other", "text": kind, "provider": dict(wire)}
    block_type, shared = _BLOCKS[kind]
    block = {"type": block_type, **{name: wire[wire_name] for wire_name, name in shared.items()}}
    rest = {key: value for key, value in wire.items() if key not in shared and key != "type"}
    if kind == "redacted_thinking":
        block, rest = {**block, "text": ""}, {"type": kind, **rest}
    if kind == "tool_use":
        names = {tool_to_wire(spec)["name"]: spec.name for spec in specs}
        block["name"] = names.get(wire["name"], wire["name"])
        rest = rest if block["name"] == wire["name"] else {"name": wire["name"], **rest}
    return {**block, "provider": rest} if rest else block


def block_to_wire(block: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a block back to the exact form in which it was received."""
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
