"""Clearing of old tool results, by Anthropic's documented rules. Pure.

Over the trigger, all results but the last `keep` are cleared, unless that frees less than `clear_at_least`.
Source: https://platform.claude.com/docs/en/build-with-claude/context-editing
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.standins.model.cache import count_tokens

BETA = "context-management-2025-06-27"
KIND = "clear_tool_uses_20250919"
PLACEHOLDER = "[Old tool result content cleared]"
DEFAULTS: dict[str, Any] = {
    "trigger": {"type": "input_tokens", "value": 100_000},
    "keep": {"type": "tool_uses", "value": 3},
    "clear_at_least": None,
}


def cleared(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The body as the model receives it, and the applied edits."""
    seen, applied = dict(body), []
    for edit in (body.get("context_management") or {}).get("edits", ()):
        if edit["type"] == KIND:
            seen, more = _without_old_results(seen, DEFAULTS | {k: v for k, v in edit.items() if v is not None})
            applied += more
    return seen, applied


def _without_old_results(body: dict[str, Any], edit: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    uses = [(block["id"], block["name"]) for block in _blocks(body) if block["type"] == "tool_use"]
    before = count_tokens(body)
    size = before if edit["trigger"]["type"] == "input_tokens" else len(uses)
    if size <= edit["trigger"]["value"]:
        return body, []
    old = uses[: max(0, len(uses) - edit["keep"]["value"])]
    names = {call for call, tool in old if tool not in (edit.get("exclude_tools") or ())}
    shorter = body | {"messages": [_emptied(message, names) for message in body["messages"]]}
    freed = before - count_tokens(shorter)
    if not names or freed < ((edit["clear_at_least"] or {}).get("value") or 0):
        return body, []
    return shorter, [{"type": KIND, "cleared_tool_uses": len(names), "cleared_input_tokens": freed}]


def _emptied(message: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    if isinstance(message["content"], str):
        return dict(message)
    blocks = [
        block | {"content": PLACEHOLDER} if block.get("tool_use_id") in names else block for block in message["content"]
    ]
    return {**message, "content": blocks}


def _blocks(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    contents = (message["content"] for message in body["messages"])
    return [block for content in contents if isinstance(content, list) for block in content]
