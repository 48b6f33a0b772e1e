"""A transcript as turns: what was called, what came back, what the work looked like then. Pure.

Called by `spinning`. A turn is compared as a whole, not call by call: calls of one reply were all decided before any of
their results was known, so only the next reply can show that nothing was learnt, and their results come in any order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from integrations.agents import fingerprints
from integrations.agents.entries import INTERRUPTED, Block, blocks_of
from integrations.ports.agent_runner import Entry

LONGEST = 80  # characters of a command that is shown


@dataclass
class Turn:
    """One reply with its calls, and the results and marks after it. `work` is the last mark; `circles` are notes about
    spinning that the agent got after this turn; `new`: the work was never like this before."""

    calls: Sequence[Block]
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    circles: list[Mapping[str, Any]] = field(default_factory=list)
    work: str = ""
    new: bool = False

    @property
    def complete(self) -> bool:
        """Whether each call has a known result; without one where a process died or a stop came."""
        known = [self.results.get(call["id"]) for call in self.calls]
        return all(result is not None and result["content"] != INTERRUPTED for result in known)

    @property
    def failed(self) -> bool:
        return any(result["is_error"] for result in self.results.values())

    @cached_property
    def action(self) -> str:
        return fingerprints.together(fingerprints.action(call["name"], call["input"]) for call in self.calls)

    @cached_property
    def step(self) -> str:
        """The actions with their results."""
        return fingerprints.together(
            fingerprints.action(call["name"], call["input"])
            + fingerprints.result(str(result["content"]), is_error=bool(result["is_error"]))
            for call in self.calls
            if (result := self.results.get(call["id"]))
        )

    def repeats(self, other: Turn) -> bool:
        """Whether it did the same with the same result. Actions first: results are long."""
        return self is other or (self.action == other.action and self.step == other.step)

    def waits(self, words: Sequence[str]) -> bool:
        """Whether a command among its calls waits for something: it contains one of `words` as a whole word."""
        waiting = [rf"(?<!\w){re.escape(word)}(?!\w)" for word in words]
        commands = [str(call["input"].get("command", "")) for call in self.calls if call["name"] == "bash"]
        return any(re.search(pattern, command) for pattern in waiting for command in commands)

    @property
    def shown(self) -> str:
        """Its first call for people, on one line and short."""
        return " and ".join(_shown(call) for call in self.calls[:2])


def _shown(call: Block) -> str:
    given = call["input"]
    words = [call["name"]] if call["name"] != "bash" else []
    words += [str(given[key]) for key in ("command", "path", "pattern") if given.get(key)]
    text = " ".join(" ".join(words).replace("`", "'").split())
    return f"`{text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}`"


@dataclass
class Story:
    """The turns since the last guidance of a person, which restarts the count, and how the work looked before them:
    `before` is the mark at that moment, `changed` whether the work had been changed by then."""

    turns: list[Turn] = field(default_factory=list)
    before: str = ""
    changed: bool = False


def story(entries: Sequence[Entry]) -> Story:
    """The transcript in turns. Blocks that belong to no turn are left out."""
    told, spoken, seen = Story(), list[Block](), list[str]()
    for entry in entries:
        match entry.kind:
            case "block":
                spoken.append(entry.data)
            case "turn":
                calls = [block for block in blocks_of(spoken, entry) if block["type"] == "tool_call"]
                told.turns.append(Turn(calls))
                spoken = []
            case "steering":
                told = Story(before=seen[-1] if seen else "", changed=len(set(seen)) > 1)
            case "mark":
                _mark(told, entry.data["work"], seen)
            case _ if told.turns:
                _after(told.turns[-1], entry)
    return told


def _mark(told: Story, work: str, seen: list[str]) -> None:
    if told.turns:
        told.turns[-1].work = work
        told.turns[-1].new = bool(seen) and work not in seen
    seen.append(work)
    if not told.turns:
        told.before, told.changed = work, len(set(seen)) > 1


def _after(turn: Turn, entry: Entry) -> None:
    if entry.kind == "tool_result":
        turn.results[entry.data["call_id"]] = entry.data
    elif entry.kind == "note" and "circle" in entry.data:
        turn.circles.append(entry.data["circle"])
