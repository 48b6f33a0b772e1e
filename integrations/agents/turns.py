"""A transcript grouped into turns: calls, results, and the state of the work after them. Pure.

Called by `spinning`. Turns are compared as a whole, not call by call: the calls of one reply were decided before any of
their results was known, and their results come in any order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from integrations.agents.actions import normalize_action, remove_echoes
from integrations.agents.entries import INTERRUPTED, Block, select_blocks
from integrations.agents.fingerprints import (
    combine_fingerprints,
    fingerprint_action,
    fingerprint_result,
    fingerprint_text,
)
from integrations.ports.agent_runner import Entry

MAX_LABEL = 80  # characters of a call


@dataclass
class Turn:
    """One reply with its calls, and the results and marks after it. `work` is the last mark; `is_new`: the work was
    never in this state before; `patterns` are the keys of the spinning notes after this turn."""

    calls: Sequence[Block]
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    patterns: list[Mapping[str, Any]] = field(default_factory=list)
    work: str = ""
    is_new: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether each call has a known result; not after a crash or a stop."""
        known = [self.results.get(call["id"]) for call in self.calls]
        return all(result is not None and result["content"] != INTERRUPTED for result in known)

    @property
    def has_failed(self) -> bool:
        return any(result["is_error"] for result in self.results.values())

    @cached_property
    def action(self) -> str:
        return combine_fingerprints(fingerprint_action(call["name"], call["input"]) for call in self.calls)

    @cached_property
    def step(self) -> str:
        """The actions with their results."""
        return combine_fingerprints(
            fingerprint_action(call["name"], call["input"])
            + fingerprint_result(str(result["content"]), is_error=bool(result["is_error"]))
            for call in self.calls
            if (result := self.results.get(call["id"]))
        )

    @cached_property
    def near_action(self) -> str:
        """The actions without what does not matter."""
        return combine_fingerprints(fingerprint_text(normalize_action(c["name"], c["input"])) for c in self.calls)

    @cached_property
    def near_steps(self) -> tuple[str, str]:
        """Those actions with their results, and with their results without what these repeat of the arguments."""
        given = [(call, result) for call in self.calls if (result := self.results.get(call["id"]))]
        texts = [(str(result["content"]), remove_echoes(str(result["content"]), c["input"])) for c, result in given]
        full, plain = (
            combine_fingerprints(
                fingerprint_text(normalize_action(call["name"], call["input"]))
                + fingerprint_result(versions[index], is_error=bool(result["is_error"]))
                for (call, result), versions in zip(given, texts, strict=True)
            )
            for index in range(2)
        )
        return full, plain

    def nearly_repeats(self, other: Turn) -> bool:
        """Whether action and result differ only in what does not matter."""
        if self is other or self.near_action != other.near_action:
            return self is other
        return any(one == two for one, two in zip(self.near_steps, other.near_steps, strict=True))

    def repeats(self, other: Turn) -> bool:
        """Whether action and result are the same. Compares actions first, because results are long."""
        return self is other or (self.action == other.action and self.step == other.step)

    def waits(self, words: Sequence[str]) -> bool:
        """Whether one of its commands waits for something: it contains one of `words` as a whole word."""
        waiting = [rf"(?<!\w){re.escape(word)}(?!\w)" for word in words]
        commands = [str(call["input"].get("command", "")) for call in self.calls if call["name"] == "bash"]
        return any(re.search(pattern, command) for pattern in waiting for command in commands)

    @property
    def label(self) -> str:
        """Its first two calls for people, on one short line."""
        return " and ".join(_format_call(call) for call in self.calls[:2])


def _format_call(call: Block) -> str:
    parts = [call["name"]] if call["name"] != "bash" else []
    parts += [str(call["input"][key]) for key in ("command", "path", "pattern") if call["input"].get(key)]
    text = " ".join(" ".join(parts).replace("`", "'").split())
    return f"`{text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + '…'}`"


@dataclass
class History:
    """The turns since the last guidance, which restarts all counts. `before` is the mark at that moment, `has_changed`
    whether the work had changed until then."""

    turns: list[Turn] = field(default_factory=list)
    before: str = ""
    has_changed: bool = False


def group_turns(entries: Sequence[Entry]) -> History:
    """Group the transcript into turns, without the blocks that belong to none."""
    history, blocks, marks = History(), list[Block](), list[str]()
    for entry in entries:
        match entry.kind:
            case "block":
                blocks.append(entry.data)
            case "turn":
                calls = [block for block in select_blocks(blocks, entry) if block["type"] == "tool_call"]
                history.turns.append(Turn(calls))
                blocks = []
            case "steering":
                history = History(before=marks[-1] if marks else "", has_changed=len(set(marks)) > 1)
            case "mark":
                _add_mark(history, entry.data["work"], marks)
            case "tool_result" if history.turns:
                history.turns[-1].results[entry.data["call_id"]] = entry.data
            case "note" if history.turns and "spinning" in entry.data:
                history.turns[-1].patterns.append(entry.data["spinning"])
    return history


def _add_mark(history: History, work: str, marks: list[str]) -> None:
    if history.turns:
        history.turns[-1].work = work
        history.turns[-1].is_new = bool(marks) and work not in marks
    marks.append(work)
    if not history.turns:
        history.before, history.has_changed = work, len(set(marks)) > 1
