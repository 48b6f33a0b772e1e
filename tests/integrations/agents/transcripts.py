"""Transcripts for the tests of spinning, written as lists of turns."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from integrations.agents.entries import result_entry, turn_entry
from integrations.ports.agent_runner import Entry, ToolResult

BRIEF = Entry("brief", {"text": "do it"})
_numbers = itertools.count()


def turn(*calls: tuple[str, dict[str, Any], str, bool], work: str = "", cost: float = 0.0) -> list[Entry]:
    """One reply that makes `calls` (tool, arguments, result, is_error), and the digest of the work after it."""
    ids = [f"toolu_{next(_numbers)}" for _ in calls]
    blocks = [
        Entry("block", {"type": "tool_call", "id": name, "name": call[0], "input": call[1]})
        for name, call in zip(ids, calls, strict=True)
    ]
    results = [result_entry(name, ToolResult(call[2], call[3])) for name, call in zip(ids, calls, strict=True)]
    return [*blocks, turn_entry("tool_calls", {"cost_usd": cost}, len(blocks)), *reversed(results), *mark(work)]


def bash(command: str, output: str = "ok\n[exit 0]", *, failed: bool = False) -> tuple[str, dict[str, Any], str, bool]:
    return ("bash", {"command": command}, output, failed)


def view(path: str, first: int = 1) -> tuple[str, dict[str, Any], str, bool]:
    given = {"command": "view", "path": path, "view_range": [first, first + 9]}
    return ("edit", given, f"     {first}\tx = 1", False)


def edit(path: str, new: str) -> tuple[str, dict[str, Any], str, bool]:
    given = {"command": "str_replace", "path": path, "old_str": "x", "new_str": new}
    return ("edit", given, f"The file {path} has been edited.", False)


def mark(work: str) -> list[Entry]:
    return [Entry("mark", {"work": work})] if work else []


def silent(stop_reason: str = "paused") -> list[Entry]:
    """A reply without a call."""
    return [Entry("block", {"type": "text", "text": "I am thinking."}), turn_entry(stop_reason, {}, 1)]


def guidance() -> Entry:
    return Entry("steering", {"text": "Comment from Ada:\ngo on", "comment_ids": []})


def joined(parts: Sequence[Sequence[Entry]]) -> list[Entry]:
    return [BRIEF, *itertools.chain.from_iterable(parts)]
