"""Builds Anthropic's request from a transcript: pure functions, called by `runner` before each model call.

The same entries always give the same bytes, because one changed byte in the prefix invalidates the prompt cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from integrations.agents.anthropic import context
from integrations.agents.anthropic.wire import block_to_wire, image_to_wire, tool_to_wire
from integrations.agents.entries import select_blocks
from integrations.agents.transcript import has_no_images
from integrations.ports.agent_runner import AgentTask, Entry, Image, ToolSpec, find_no_image
from integrations.values import clean_value

Block = dict[str, Any]
Message = dict[str, Any]

CACHED = {"type": "ephemeral"}
THINKING = ("thinking", "redacted_thinking")
STEERING_MARK = "(This is guidance from a person who controls this work. It takes precedence over the brief.)"
NOTE_MARK = "Note from Loopline, which runs you: "


def build_request(task: AgentTask, specs: Sequence[ToolSpec], entries: Sequence[Entry]) -> dict[str, Any]:
    """Build the arguments of one model call: fixed prefix first, then the whole history, with cache breakpoints.

    `diagnostics` requests the reason of a cache miss. The breakpoint on the system block covers the tools too: they
    come before it in the prompt."""
    request: dict[str, Any] = {
        "model": task.model,
        "max_tokens": task.max_output_tokens,
        "system": [{"type": "text", "text": task.system, "cache_control": CACHED}],
        "tools": [tool_to_wire(spec) for spec in specs],
        "messages": add_breakpoints(_build_messages_with_images(task, entries)),
        "diagnostics": {"previous_message_id": _last_message_id(entries)},
    }
    if task.effort:
        request["output_config"] = {"effort": task.effort}
    if task.context:
        request["context_management"] = context.build_edits(task.context, entries)
        request["betas"] = [context.BETA]
    cleaned: dict[str, Any] = clean_value(request)
    return cleaned


def _build_messages_with_images(task: AgentTask, entries: Sequence[Entry]) -> list[Message]:
    """The messages with the task's images behind the brief and those of guidance behind it, unless the API has refused
    images in this run."""
    if has_no_images(entries):
        return build_messages(entries)
    messages = build_messages(entries, task.load_image)
    if messages:
        messages[0]["content"][1:1] = [image_to_wire(image) for image in task.images]
    return messages


def _last_message_id(entries: Sequence[Entry]) -> str | None:
    own = (entry.data.get("provider", {}) for entry in reversed(entries) if entry.kind == "turn")
    return next((provider.get("message_id") for provider in own), None)


def build_messages(
    entries: Iterable[Entry], load_image: Callable[[str], Image | None] = find_no_image
) -> list[Message]:
    """Build alternating user and assistant messages, with results in the order of their calls and before any text.

    Leaves out blocks without a turn, and what the API refuses: empty text, calls of a cut reply."""
    messages: list[Message] = []
    blocks: list[Mapping[str, Any]] = []
    for entry in entries:
        if entry.kind == "block":
            blocks.append(entry.data)
        elif entry.kind == "turn":
            _append_blocks(messages, "assistant", _sendable_blocks(select_blocks(blocks, entry)))
            blocks = []
        else:
            _append_blocks(messages, "user", _user_blocks(entry, load_image))
    return _sort_results(messages)


def _sendable_blocks(blocks: Sequence[Mapping[str, Any]]) -> list[Block]:
    """The blocks in wire format. The API refuses empty text, and a message that ends with a thinking block."""
    wire = [block_to_wire(block) for block in blocks if block["type"] != "text" or block["text"].strip()]
    while wire and wire[-1]["type"] in THINKING:
        wire.pop()
    return wire


def _user_blocks(entry: Entry, load_image: Callable[[str], Image | None]) -> list[Block]:
    match entry.kind:
        case "brief":
            return [_text(entry.data["text"])]
        case "steering":
            images = filter(None, map(load_image, entry.data.get("images", ())))
            return [_text(f"{entry.data['text']}\n\n{STEERING_MARK}"), *map(image_to_wire, images)]
        case "note":
            return [_text(NOTE_MARK + entry.data["text"])]
        case "tool_result":
            result = {"tool_use_id": entry.data["call_id"], "content": entry.data["content"]}
            return [{"type": "tool_result", **result, "is_error": entry.data["is_error"]}]
        case _:
            return []


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _append_blocks(messages: list[Message], role: str, blocks: list[Block]) -> None:
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"].extend(blocks)
    elif blocks:
        messages.append({"role": role, "content": blocks})


def _sort_results(messages: list[Message]) -> list[Message]:
    calls = [block["id"] for message in messages for block in message["content"] if block["type"] == "tool_use"]
    order = {call: index for index, call in enumerate(calls)}
    for message in messages:
        if message["role"] == "user":
            message["content"].sort(key=lambda block: order.get(block.get("tool_use_id", ""), len(order)))
    return messages


def add_breakpoints(messages: list[Message]) -> list[Message]:
    """Add cache breakpoints to the last two user messages: the next call reads the cache up to the last one, this call
    up to the one before. The server looks back only 20 blocks from a breakpoint, and a reply can have more."""
    for message in [message for message in messages if message["role"] == "user"][-2:]:
        *others, last = message["content"]
        message["content"] = [*others, last | {"cache_control": CACHED}]
    return messages
