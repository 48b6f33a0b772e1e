"""From a playbook's answer to a message in Anthropic's wire format. Pure; called by `server`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from integrations.standins.model.cache import tokens_in
from integrations.standins.model.playbook import Answer


def message(body: Mapping[str, Any], answer: Answer, prompt_usage: Mapping[str, int], ending: str) -> dict[str, Any]:
    """The whole message. `ending` is one of `faults.ENDINGS`, or empty for the stop reason of the answer itself.

    Ids are made from the request, so that a repeated request gets the same message."""
    name = hashlib.sha256(json.dumps([body["model"], body["messages"]]).encode()).hexdigest()[:20]
    content = _content(answer, name)
    if not ending and tokens_in(content) > body["max_tokens"]:
        ending = "max_tokens"
    if ending:
        content = _shortened(content, ending)
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": _stop_reason(content, ending),
        "stop_sequence": None,
        "stop_details": _stop_details(ending),
        "usage": _usage(prompt_usage, content),
    }


def _content(answer: Answer, name: str) -> list[dict[str, Any]]:
    texts = [{"type": "text", "text": answer.text}] if answer.text else []
    calls = [
        {"type": "tool_use", "id": f"toolu_{name}_{place}", "name": call.name, "input": dict(call.input)}
        for place, call in enumerate(answer.calls)
    ]
    return [*texts, *calls]


def _shortened(content: list[dict[str, Any]], ending: str) -> list[dict[str, Any]]:
    """A reply that ended early has no calls, and a cut one has half of its text."""
    if ending in ("refusal", "empty"):
        return []
    texts = [block["text"] for block in content if block["type"] == "text"]
    return [{"type": "text", "text": text[: len(text) // 2 + 1]} for text in texts]


def _stop_reason(content: list[dict[str, Any]], ending: str) -> str:
    if ending and ending != "empty":
        return ending
    return "tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn"


def _stop_details(ending: str) -> dict[str, Any] | None:
    if ending != "refusal":
        return None
    return {"type": "refusal", "category": None, "explanation": "The stand-in was asked to refuse."}


def _usage(prompt_usage: Mapping[str, int], content: list[dict[str, Any]]) -> dict[str, Any]:
    written = prompt_usage["cache_creation_input_tokens"]
    return {
        **prompt_usage,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens_in(content),
        "service_tier": "standard",
    }
