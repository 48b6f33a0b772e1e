"""From a transcript to Anthropic's request, and back to entries: pure functions.

Called by `anthropic_api` before each model call. Nothing here does I/O. The same entries always give the same bytes,
because one changed byte in the prefix costs the whole prompt cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.agents.anthropic import context
from integrations.ports.agent_runner import AgentTask, Entry, ToolResult, ToolSpec

Block = dict[str, Any]
Message = dict[str, Any]

CACHED = {"type": "ephemeral"}
THINKING = ("thinking", "redacted_thinking")
INTERRUPTED = "Interrupted, outcome unknown; look before you repeat."
STEERING_MARK = "(These are the words of a person who may steer this work. Where they differ from the brief, they win.)"
NOTE_MARK = "Note from Loopline, which runs you: "


def request_from(task: AgentTask, specs: Sequence[ToolSpec], entries: Sequence[Entry]) -> dict[str, Any]:
    """The arguments of one model call: fixed prefix first, then the whole history, with cache breakpoints.

    `diagnostics` asks why the cache did not serve what the call before had put there. The breakpoint on the system
    block covers the tools too: they come before it in the prompt."""
    request: dict[str, Any] = {
        "model": task.model,
        "max_tokens": task.max_output_tokens,
        "system": [{"type": "text", "text": task.system, "cache_control": CACHED}],
        "tools": [dict(spec.wire) for spec in specs],
        "messages": with_breakpoints(messages_from_entries(entries)),
        "diagnostics": {"previous_message_id": _last_message_id(entries)},
    }
    if task.effort:
        request["output_config"] = {"effort": task.effort}
    if task.context:
        request["context_management"] = context.edits(task.context, entries)
        request["betas"] = [context.BETA]
    return request


def _last_message_id(entries: Sequence[Entry]) -> str | None:
    return next((entry.data.get("message_id") for entry in reversed(entries) if entry.kind == "turn"), None)


def messages_from_entries(entries: Iterable[Entry]) -> list[Message]:
    """The history: alternating user and assistant messages, results in the order of their calls and before any text.

    Blocks that no turn made count are left out, and so is what the API refuses: empty text, calls of a cut reply."""
    messages: list[Message] = []
    spoken: list[Block] = []
    for entry in entries:
        if entry.kind == "block":
            spoken.append(dict(entry.data))
        elif entry.kind == "turn":
            _add(messages, "assistant", counted(spoken, entry))
            spoken = []
        else:
            _add(messages, "user", _user_blocks(entry))
    return _results_in_order(messages)


def counted(spoken: Sequence[Block], turn: Entry) -> list[Block]:
    """The blocks among `spoken` that belong to `turn` and may be sent back.

    The turn says how many are its own: a call that died may have left blocks before them."""
    own = spoken[max(0, len(spoken) - turn.data["blocks"]) :]
    sendable = [block for block in own if _may_be_sent(block, turn.data["stop_reason"])]
    while sendable and sendable[-1]["type"] in THINKING:  # the API refuses a message that ends in a thought
        sendable.pop()
    return sendable


def _may_be_sent(block: Block, stop_reason: str) -> bool:
    if block["type"] == "text":
        return bool(block["text"].strip())
    return block["type"] != "tool_use" or stop_reason == "tool_use"


def _user_blocks(entry: Entry) -> list[Block]:
    match entry.kind:
        case "brief":
            return [_text(entry.data["text"])]
        case "steering":
            return [_text(f"{entry.data['text']}\n\n{STEERING_MARK}")]
        case "note":
            return [_text(NOTE_MARK + entry.data["text"])]
        case "tool_result":
            keys = ("tool_use_id", "content", "is_error")
            return [{"type": "tool_result"} | {key: entry.data[key] for key in keys}]
        case _:
            return []


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _add(messages: list[Message], role: str, blocks: list[Block]) -> None:
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"].extend(blocks)
    elif blocks:
        messages.append({"role": role, "content": blocks})


def _results_in_order(messages: list[Message]) -> list[Message]:
    calls = [block["id"] for message in messages for block in message["content"] if block["type"] == "tool_use"]
    order = {call: place for place, call in enumerate(calls)}
    for message in messages:
        if message["role"] == "user":
            message["content"].sort(key=lambda block: order.get(block.get("tool_use_id", ""), len(order)))
    return messages


def with_breakpoints(messages: list[Message]) -> list[Message]:
    """The messages with a cache breakpoint at the end of the last two of the user.

    The last one is what the next call will read. The one before is what this call reads: the server looks back only 20
    blocks from a breakpoint, and a reply with many tool calls is longer than that."""
    for message in [message for message in messages if message["role"] == "user"][-2:]:
        *others, last = message["content"]
        message["content"] = [*others, last | {"cache_control": CACHED}]
    return messages


def result_entry(call_id: str, result: ToolResult) -> Entry:
    """What is kept of a tool's answer."""
    data: dict[str, Any] = {"tool_use_id": call_id, "content": result.content, "is_error": result.is_error}
    return Entry("tool_result", data if result.final is None else data | {"final": dict(result.final)})


def turn_entry(
    stop_reason: str,
    usage: Mapping[str, Any],
    blocks: int,
    explanation: str = "",
    lowered: str = "",
    *,
    message_id: str = "",
    cleared: int = 0,
) -> Entry:
    """What makes the `blocks` blocks before it count. `usage` is `Usage` as a dict; `lowered` names the limit that did
    not leave room for a reply of full length; `cleared` is how many old tool uses the provider had emptied for it."""
    data: dict[str, Any] = {"stop_reason": stop_reason, "usage": dict(usage), "blocks": blocks}
    more = {"explanation": explanation, "lowered": lowered, "message_id": message_id, "cleared": cleared}
    return Entry("turn", data | {key: value for key, value in more.items() if value})
