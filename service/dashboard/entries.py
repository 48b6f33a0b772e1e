"""Formats transcript entries for the dashboard. Called by `service.dashboard.live`. Pure; never fails on invalid data.

Output of agents is untrusted: it is passed on as plain text, never as markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.ports.agent_runner import Entry

FOLD_LINES = 12
LONGEST = 40_000  # characters of one text, so that pages with hundreds of entries stay fast
_FINE = frozenset({"done", "no_change"})
_STEPS = {
    "brief": "reading the brief",
    "steering": "reading a comment",
    "note": "reading a note of Loopline",
    "thinking": "thinking",
    "tool_result": "reading a result",
    "outcome": "done",
}
_USUAL_STOPS = frozenset({"tool_calls", "end"})

Data = Mapping[str, Any]


@dataclass(frozen=True)
class ShownEntry:
    """One formatted entry. `call` is the id that links a tool result to its call.

    kind: brief, text, thinking, tool_call, tool_result, steering, note, outcome, turn or other."""

    kind: str
    label: str
    text: str = ""
    body: str = ""
    folded: bool = False
    failed: bool = False
    call: str = ""


def format_entry(entry: Entry) -> ShownEntry:
    """Format an entry for the page."""
    data = entry.data
    match entry.kind:
        case "brief":
            return ShownEntry("brief", "Brief", body=_text(data.get("text")), folded=True)
        case "block":
            return _format_block(data)
        case "turn":
            return ShownEntry("turn", _format_usage(data))
        case "tool_result":
            return _format_result(data)
        case "steering":
            return ShownEntry("steering", "A person", _text(data.get("text")))
        case "note":
            return ShownEntry("note", "Loopline", _text(data.get("text")))
        case "mark":
            return ShownEntry("turn", f"working tree at {_text(data.get('work'))[:7]}")
        case "fault":
            return ShownEntry("other", "Model call failed", _text(data.get("text")), failed=True)
        case "outcome":
            return _format_outcome(data)
    return ShownEntry("other", str(entry.kind), body=_json(data), folded=True)  # unknown kind, from a newer release


def format_headline(entry: Entry) -> str:
    """The step of an agent in one line of at most 120 characters, for the list of loops.

    Only its own text and calls are quoted: prompts, comments and tool output can be long and belong to the ticket's
    page."""
    one = format_entry(entry)
    if one.kind in _STEPS:
        return _STEPS[one.kind]
    step = one.text if one.kind == "text" else ": ".join(filter(None, (one.label, one.text)))
    line = " ".join(step[:500].split())
    return line if len(line) <= 120 else f"{line[:119]}…"


def _format_block(block: Data) -> ShownEntry:
    match block.get("type"):
        case "text":
            return ShownEntry("text", "Agent", _text(block.get("text")))
        case "thinking" if text := _text(block.get("text")):
            return ShownEntry("thinking", "Thinking", body=text, folded=True)
        case "thinking":
            return ShownEntry("thinking", "Thinking, withheld by the provider")
        case "tool_call":
            return _format_call(block)
        case kind:
            return ShownEntry("other", _text(block.get("text") or kind), body=_json(block), folded=True)


def _format_call(block: Data) -> ShownEntry:
    given = block.get("input")
    text, body = _split_call(given if isinstance(given, Mapping) else {"input": given})
    return ShownEntry("tool_call", _text(block.get("name")), text, body, folded=True, call=_text(block.get("id")))


def _split_call(given: Data) -> tuple[str, str]:
    """Split the arguments into a one-line summary and the rest."""
    match given:
        case {"command": command, "path": path, **rest}:
            return f"{_text(command)} {_text(path)}", _format_edit(rest)
        case {"command": command}:
            return _text(command), ""
        case {"restart": _}:
            return "restart", ""
        case {"path": path, "pattern": pattern, **rest}:
            return f"{_text(pattern)} in {_text(path)}", _format_edit(rest)
        case {"pattern": only, **rest} | {"path": only, **rest}:
            return _text(only), _format_edit(rest)
        case _:
            return "", _json(given)


def _format_edit(rest: Data) -> str:
    match rest:
        case {"old_str": old, **new}:
            return f"{_prefix_lines('-', _text(old))}\n{_prefix_lines('+', _text(new.get('new_str', '')))}"
        case {"file_text": text} | {"insert_text": text}:
            return _prefix_lines("+", _text(text))
        case _:
            return _json(rest) if rest else ""


def _prefix_lines(mark: str, text: str) -> str:
    return "\n".join(f"{mark} {line}" for line in text.splitlines())


def _format_result(data: Data) -> ShownEntry:
    content = _text(data.get("content"))
    failed = bool(data.get("is_error"))
    lines = content.count("\n") + 1
    label = f"{'Error' if failed else 'Result'}{f', {lines} lines' if lines > FOLD_LINES else ''}"
    call = _text(data.get("call_id"))
    return ShownEntry("tool_result", label, body=content, folded=lines > FOLD_LINES, failed=failed, call=call)


def _format_outcome(data: Data) -> ShownEntry:
    """Format the end of a conversation (an entry of the runner, with 'final') or the outcome of the run."""
    kind = _text(data.get("kind", "ended"))
    if "final" in data:
        return ShownEntry("turn", f"conversation ended: {kind.replace('_', ' ')}")
    return ShownEntry("outcome", kind.replace("_", " "), _text(data.get("summary")), failed=kind not in _FINE)


def _format_usage(data: Data) -> str:
    given = data.get("usage")
    usage = given if isinstance(given, Mapping) else {}
    read, cached, wrote = (_number(usage.get(f"{name}_tokens")) for name in ("input", "cached", "output"))
    cost = _number(usage.get("cost_usd"))
    parts = [f"{read:,.0f} tokens in", f"{cached:,.0f} cached", f"{wrote:,.0f} out", f"${cost:.4f}"]
    stop = _text(data.get("stop_reason"))
    cleared, miss = _number(data.get("cleared")), bool(usage.get("cache_misses"))
    parts += [f"{cleared:.0f} old results cleared"] if cleared else []
    parts += [f"cache missed: {_text(usage.get('cache_miss_reason')) or 'no reason given'}"] if miss else []
    parts += ["usage estimated"] if usage.get("estimated_calls") else []
    return " · ".join(parts if stop in _USUAL_STOPS else [*parts, stop])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else _json(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… {len(text) - LONGEST} more characters"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
