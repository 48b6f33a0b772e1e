"""Validates requests as Anthropic's API does, with its messages as far as they are known. Pure; called by `server`.

Stricter than the API in one place: consecutive messages of one role are refused instead of merged, so that a runner
that does not merge them is detected.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

from integrations.standins.model import clearing

MAX_BREAKPOINTS = 4
MAX_IMAGE = 5 * 1024 * 1024
_IMAGE_STARTS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG", "image/gif": b"GIF8", "image/webp": b"RIFF"}
_ROLES = ("user", "assistant", "system")
_REQUIRED: dict[str, type] = {"model": str, "max_tokens": int, "messages": list}
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
_EDIT_KEYS = {"type", "trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs"}


class Refused(Exception):
    """The request is invalid; the text is the message for the caller."""


class UnknownModel(Refused):
    """There is no such model: 404."""


def check(body: Any, betas: Collection[str] = ()) -> None:
    """Raise `Refused` where the API answers with 400. `betas` are those of the request's header."""
    if not isinstance(body, dict):
        raise Refused("request body: Input should be an object")
    for key in sorted(body.keys() - _KEYS):
        raise Refused(f"{key}: Extra inputs are not permitted")
    for key, kind in _REQUIRED.items():
        if key not in body:
            raise Refused(f"{key}: Field required")
        if type(body[key]) is not kind or not body[key]:
            raise Refused(f"{key}: Input should be a valid {kind.__name__}")
    if not body["model"].startswith("claude-"):
        raise UnknownModel(f"model: {body['model']}")
    if body.get("stream") is not True:
        raise Refused("stream: the stand-in only streams")
    _check_tools(body.get("tools", []))
    _check_messages(body["messages"])
    found = sum(bool(block.get("cache_control")) for block in _marked(body)) + bool(body.get("cache_control"))
    if found > MAX_BREAKPOINTS:
        raise Refused(f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {found}.")
    if body.get("context_management") is not None:
        _check_edits(body["context_management"].get("edits", []), betas)


def _check_edits(edits: list[dict[str, Any]], betas: Collection[str]) -> None:
    if clearing.BETA not in betas:
        raise Refused("context_management: Extra inputs are not permitted")
    for place, edit in enumerate(edits):
        where = f"context_management.edits.{place}"
        if edit.get("type") != clearing.KIND:
            raise Refused(f"{where}: Input tag does not match any of the expected tags: {clearing.KIND}")
        for key in sorted(edit.keys() - _EDIT_KEYS):
            raise Refused(f"{where}.{key}: Extra inputs are not permitted")


def _check_tools(tools: list[dict[str, Any]]) -> None:
    for place, tool in enumerate(tools):
        if tool.get("type", "custom") == "custom" and tool.get("input_schema", {}).get("type") != "object":
            raise Refused(f"tools.{place}.custom.input_schema.type: Field required")
    names = [tool.get("name") for tool in tools]
    if len(set(names)) < len(names):
        raise Refused("tools: Tool names must be unique.")


def _check_messages(messages: list[Any]) -> None:
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise Refused(f"messages.{place}.role: Input should be 'user', 'assistant' or 'system'")
        if not message.get("content"):
            raise Refused(f"messages.{place}: all messages must have non-empty content")
        for index, block in enumerate(_blocks(message)):
            _check_block(f"messages.{place}.content.{index}", block)
    spoken = [message for message in messages if message["role"] != "system"]
    if not spoken or spoken[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    for before, after in pairwise(spoken):
        if before["role"] == after["role"]:
            raise Refused(
                f'messages: roles must alternate between "user" and "assistant", but found two "{after["role"]}"'
            )
    _check_results(messages)


def _check_block(where: str, block: Any) -> None:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise Refused(f"{where}.type: Field required")
    for key, kind in _BLOCK_KEYS.get(block["type"], {}).items():
        if not isinstance(block.get(key), kind):
            raise Refused(f"{where}.{block['type']}.{key}: Field required")
    if block["type"] == "image":
        _check_image(where, block)
    if block["type"] == "text" and not block["text"].strip():
        raise Refused("messages: text content blocks must be non-empty")


def _check_image(where: str, block: Mapping[str, Any]) -> None:
    """The shape of the source, its media type against the content, and the size."""
    source = block.get("source")
    if not isinstance(source, dict) or source.get("type") not in ("base64", "url"):
        raise Refused(f"{where}.image.source: Input tag does not match any of the expected tags: 'base64', 'url'")
    if source["type"] == "url":
        return
    if source.get("media_type") not in _IMAGE_STARTS:
        raise Refused(
            f"{where}.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or "
            "'image/webp'"
        )
    try:
        content = base64.b64decode(source.get("data", ""), validate=True)
    except (ValueError, TypeError):
        raise Refused(f"{where}.image.source.base64: invalid base64 data") from None
    if len(source["data"]) > MAX_IMAGE:
        raise Refused(
            f"{where}.image.source.base64: image exceeds 5 MB maximum: {len(source['data'])} bytes > {MAX_IMAGE}"
        )
    if not content.startswith(_IMAGE_STARTS[source["media_type"]]):
        raise Refused("Could not process image")


def _check_results(messages: list[Any]) -> None:
    """Each tool_use needs a result at the start of the next message, and each result a tool_use."""
    open_calls: list[str] = []
    for place, message in enumerate(messages):
        blocks = _blocks(message)
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
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
            if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
                raise Refused(f"messages.{place}: `tool_result` blocks must come before other content")
            open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if open_calls:
        raise Refused(f"messages: `tool_use` ids were found without `tool_result` blocks: {', '.join(open_calls)}")


def _marked(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The blocks that can have a breakpoint."""
    yield from body.get("tools", ())
    yield from _blocks({"content": body.get("system", "")})
    for message in body["messages"]:
        yield from _blocks(message)


def _blocks(message: Mapping[str, Any]) -> list[Any]:
    return message["content"] if isinstance(message["content"], list) else []
