"""Validates requests as Anthropic's API does, with its messages as far as they are known. Pure; called by `server`.

Stricter than the API in one place: consecutive messages of one role are refused instead of merged, so that a runner
that does not merge them is detected.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

from integrations.standins.model import clearing

MAX_BREAKPOINTS = 4
_ROLES = ("user", "assistant", "system")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TYPED_TOOL = re.compile(
    r"(bash|text_editor|memory|code_execution|computer_toolset|browser_toolset|web_search|web_fetch|"
    r"tool_search_tool_bm25|tool_search_tool_regex)_20\d{6}"
)
_BLOCK_KEYS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
}
_KEYS = frozenset(
    {"model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "stop_sequences", "metadata"}
    | {"thinking", "output_config", "cache_control", "context_management", "container", "mcp_servers", "service_tier"}
    | {"speed", "diagnostics", "inference_geo"}
)


_EDITS: dict[str, dict[str, tuple[str, ...]]] = {
    clearing.KIND: {
        "trigger": ("input_tokens", "tool_uses"),
        "keep": ("tool_uses",),
        "clear_at_least": ("input_tokens",),
        "exclude_tools": (),
        "clear_tool_inputs": (),
    },
}


class Refused(Exception):
    """The request is invalid; the text is the message for the caller."""


def check(body: Any, betas: Collection[str] = ()) -> None:
    """Raise `Refused` where the API answers with 400. `betas` are those of the request's header.

    Only streams are offered."""
    if not isinstance(body, dict):
        raise Refused("request body: Input should be an object")
    for key in sorted(body.keys() - _KEYS):
        raise Refused(f"{key}: Extra inputs are not permitted")
    for key in ("model", "max_tokens", "messages"):
        if key not in body:
            raise Refused(f"{key}: Field required")
    _check_values(body)
    _check_tools(body.get("tools", []))
    _check_messages(body["messages"])
    _check_breakpoints(body)
    if body.get("context_management") is not None:
        _check_edits(body["context_management"], betas)
    if not isinstance(body.get("diagnostics") or {}, dict):
        raise Refused("diagnostics: Input should be an object")


def _check_edits(wanted: Any, betas: Collection[str]) -> None:
    if clearing.BETA not in betas:
        raise Refused("context_management: Extra inputs are not permitted")
    edits = wanted.get("edits", []) if isinstance(wanted, dict) else None
    if not isinstance(edits, list):
        raise Refused("context_management.edits: Input should be a valid list")
    for place, edit in enumerate(edits):
        where = f"context_management.edits.{place}"
        known = _EDITS.get(edit.get("type", "")) if isinstance(edit, dict) else None
        if known is None:
            raise Refused(f"{where}: Input tag does not match any of the expected tags: {', '.join(_EDITS)}")
        for key in sorted(edit.keys() - known.keys() - {"type"}):
            raise Refused(f"{where}.{key}: Extra inputs are not permitted")
        for key, kinds in known.items():
            _check_bound(f"{where}.{key}", edit.get(key), kinds)


def _check_bound(where: str, bound: Any, kinds: tuple[str, ...]) -> None:
    """A number of tokens or tool uses, as {"type", "value"}."""
    if bound is None or not kinds:
        return
    if not isinstance(bound, dict) or bound.get("type") not in kinds:
        raise Refused(f"{where}.type: Input should be {' or '.join(map(repr, kinds))}")
    if type(bound.get("value")) is not int or bound["value"] < 0:
        raise Refused(f"{where}.value: Input should be a valid integer, greater than or equal to 0")


def _check_values(body: Mapping[str, Any]) -> None:
    if not isinstance(body["model"], str) or not body["model"]:
        raise Refused("model: Input should be a valid string")
    if body.get("stream") is not True:
        raise Refused("stream: the stand-in only streams")
    if type(body["max_tokens"]) is not int or body["max_tokens"] < 1:
        raise Refused("max_tokens: Input should be greater than or equal to 1")
    if not isinstance(body["messages"], list) or not body["messages"]:
        raise Refused("messages: at least one message is required")
    if not isinstance(body.get("system", ""), str | list):
        raise Refused("system: Input should be a valid string or list")
    for place, block in enumerate(body["system"] if isinstance(body.get("system"), list) else []):
        _check_block(f"system.{place}", block)
    if not isinstance(body.get("tools", []), list):
        raise Refused("tools: Input should be a valid list")


def _check_tools(tools: list[Any]) -> None:
    for place, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise Refused(f"tools.{place}: Input should be an object")
        kind = tool.get("type", "custom")
        if kind != "custom" and not _TYPED_TOOL.fullmatch(kind):
            raise Refused(
                f"tools.{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            )
        if kind == "custom" and not _NAME.fullmatch(tool.get("name", "")):
            raise Refused(f"tools.{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if kind == "custom" and tool.get("input_schema", {}).get("type") != "object":
            raise Refused(f"tools.{place}.custom.input_schema.type: Field required")
    names = [tool.get("name") for tool in tools]
    if len(set(names)) < len(names):
        raise Refused("tools: Tool names must be unique.")


def _check_messages(messages: list[Any]) -> None:
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise Refused(f"messages.{place}.role: Input should be 'user', 'assistant' or 'system'")
        _check_content(place, message)
    spoken = [message for message in messages if message["role"] != "system"]
    if not spoken or spoken[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    for before, after in pairwise(spoken):
        if before["role"] == after["role"]:
            raise Refused(
                f'messages: roles must alternate between "user" and "assistant", but found two "{after["role"]}"'
            )
    _check_results(messages)


def _check_content(place: int, message: Mapping[str, Any]) -> None:
    content = message.get("content")
    if not isinstance(content, str | list) or not content:
        raise Refused(f"messages.{place}: all messages must have non-empty content")
    for index, block in enumerate(content if isinstance(content, list) else []):
        _check_block(f"messages.{place}.content.{index}", block)


def _check_block(where: str, block: Any) -> None:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise Refused(f"{where}.type: Field required")
    for key, kind in _BLOCK_KEYS.get(block["type"], {}).items():
        if not isinstance(block.get(key), kind):
            raise Refused(f"{where}.{block['type']}.{key}: Field required")
    if block["type"] == "text" and not block["text"].strip():
        raise Refused("messages: text content blocks must be non-empty")


def _check_results(messages: list[Any]) -> None:
    """Each tool_use needs a result at the start of the next message, and each result a tool_use."""
    open_calls: list[str] = []
    for place, message in enumerate(messages):
        blocks = message["content"] if isinstance(message["content"], list) else []
        results = [block.get("tool_use_id") for block in blocks if block["type"] == "tool_result"]
        leading = [block["type"] for block in blocks[: len(results)]]
        if unknown := [name for name in results if name not in open_calls]:
            raise Refused(
                f"messages.{place}.content: unexpected `tool_use_id` found in `tool_result` blocks: {unknown[0]}"
            )
        if message["role"] != "system":
            if missing := [name for name in open_calls if name not in results]:
                raise Refused(
                    f"messages.{place - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                    f"{', '.join(missing)}"
                )
            if any(kind != "tool_result" for kind in leading):
                raise Refused(f"messages.{place}: `tool_result` blocks must come before other content")
            open_calls = [block.get("id", "") for block in blocks if block["type"] == "tool_use"]
    if open_calls:
        raise Refused(f"messages: `tool_use` ids were found without `tool_result` blocks: {', '.join(open_calls)}")


def _check_breakpoints(body: Mapping[str, Any]) -> None:
    found = sum(bool(block.get("cache_control")) for block in _marked(body)) + bool(body.get("cache_control"))
    if found > MAX_BREAKPOINTS:
        raise Refused(f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {found}.")


def _marked(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from body.get("tools", ())
    contents = [body.get("system", ""), *(message["content"] for message in body["messages"])]
    for content in contents:
        yield from content if isinstance(content, list) else ()
