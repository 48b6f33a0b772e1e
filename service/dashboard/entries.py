"""How one line of a transcript is shown. Called by `service.dashboard.live`; pure, and nothing here may fail on odd
data.

What an agent wrote is a stranger's text: it is passed on as plain text and never as markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.ports.agent_runner import Entry

FOLD_LINES = 12
LONGEST = 40_000  # characters of one text; a page with hundreds of entries has to stay usable
_FINE = frozenset({"done", "no_change"})
_USUAL_STOPS = frozenset({"tool_calls", "end"})

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """One entry for the page. `call` ties a tool's result to the call that asked for it.

    kind: brief, text, thinking, tool_call, tool_result, steering, note, outcome, turn or other."""

    kind: str
    label: str
    text: str = ""
    body: str = ""
    folded: bool = False
    failed: bool = False
    call: str = ""


def shown(entry: Entry) -> Shown:
    """The entry as the page shows it."""
    data = entry.data
    match entry.kind:
        case "brief":
            return Shown("brief", "Brief", body=_text(data.get("text")), folded=True)
        case "block":
            return _block(data)
        case "turn":
            return Shown("turn", _usage_line(data))
        case "tool_result":
            return _result(data)
        case "steering":
            return Shown("steering", "A person", _text(data.get("text")))
        case "note":
            return Shown("note", "Loopline", _text(data.get("text")))
        case "mark":
            return Shown("turn", f"the files are at {_text(data.get('work'))[:7]}")
        case "outcome":
            return _outcome(data)
    return Shown("other", str(entry.kind), body=_json(data), folded=True)  # written by a newer release


def headline(entry: Entry) -> str:
    """The entry in one line of at most 120 characters, for the list of loops."""
    one = shown(entry)
    said = one.text if one.kind == "text" else f"{one.label}: {one.text or one.body}"
    line = " ".join(said[:500].split())
    return line if len(line) <= 120 else f"{line[:119]}…"


def _block(block: Data) -> Shown:
    match block.get("type"):
        case "text":
            return Shown("text", "Agent", _text(block.get("text")))
        case "thinking" if text := _text(block.get("text")):
            return Shown("thinking", "Thinking", body=text, folded=True)
        case "thinking":
            return Shown("thinking", "Thinking, withheld by the provider")
        case "tool_call":
            return _call(block)
        case kind:
            return Shown("other", _text(block.get("text") or kind), body=_json(block), folded=True)


def _call(block: Data) -> Shown:
    name, given = _text(block.get("name")), block.get("input")
    arguments = given if isinstance(given, Mapping) else {"input": given}
    text, body = _call_lines(name, arguments)
    return Shown("tool_call", name, text, body, folded=True, call=_text(block.get("id")))


def _call_lines(name: str, given: Data) -> tuple[str, str]:
    """What is done to what, and the rest of the arguments."""
    match given:
        case {"command": command, "path": path, **rest}:
            return f"{_text(command)} {_text(path)}", _edit(rest)
        case {"command": command}:
            return _text(command), ""
        case {"restart": _}:
            return "restart", ""
        case {"path": path, "pattern": pattern, **rest}:
            return f"{_text(pattern)} in {_text(path)}", _edit(rest)
        case {"pattern": only, **rest} | {"path": only, **rest}:
            return _text(only), _edit(rest)
        case _:
            return "", _json(given)


def _edit(rest: Data) -> str:
    match rest:
        case {"old_str": old, **new}:
            return f"{_marked('-', _text(old))}\n{_marked('+', _text(new.get('new_str', '')))}"
        case {"file_text": text} | {"insert_text": text}:
            return _marked("+", _text(text))
        case _:
            return _json(rest) if rest else ""


def _marked(mark: str, text: str) -> str:
    return "\n".join(f"{mark} {line}" for line in text.splitlines())


def _result(data: Data) -> Shown:
    content = _text(data.get("content"))
    failed = bool(data.get("is_error"))
    lines = content.count("\n") + 1
    label = f"{'Error' if failed else 'Result'}{f', {lines} lines' if lines > FOLD_LINES else ''}"
    call = _text(data.get("call_id"))
    return Shown("tool_result", label, body=content, folded=lines > FOLD_LINES, failed=failed, call=call)


def _outcome(data: Data) -> Shown:
    """The runner ends a conversation (its entry has 'final'), then the job ends the run with the words that count."""
    kind = _text(data.get("kind", "ended"))
    if "final" in data:
        return Shown("turn", f"the conversation ended: {kind.replace('_', ' ')}")
    return Shown("outcome", kind.replace("_", " "), _text(data.get("summary")), failed=kind not in _FINE)


def _usage_line(data: Data) -> str:
    given = data.get("usage")
    usage = given if isinstance(given, Mapping) else {}
    read, cached, wrote = (_number(usage.get(f"{name}_tokens")) for name in ("input", "cached", "output"))
    parts = [
        f"{read:,.0f} tokens in",
        f"{cached:,.0f} cached",
        f"{wrote:,.0f} out",
        f"${_number(usage.get('cost_usd')):.4f}",
    ]
    stop = _text(data.get("stop_reason"))
    cleared, miss = _number(data.get("cleared")), bool(usage.get("cache_misses"))
    parts += [f"{cleared:.0f} old results cleared"] if cleared else []
    parts += [f"cache missed: {_text(usage.get('cache_miss_reason')) or 'no reason given'}"] if miss else []
    return " · ".join(parts if stop in _USUAL_STOPS else [*parts, stop])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else _json(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… {len(text) - LONGEST} more characters"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
