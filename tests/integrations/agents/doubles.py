"""The Protocols' in-memory implementations for tests: a transcript in a list, tools that are plain functions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from integrations.errors import IntegrationError
from integrations.ports.agent_runner import AgentTask, Entry, Grant, Refusal, ToolResult, ToolSpec
from integrations.values import Usage
from jobs.roles.checker import VERDICT_TOOL
from jobs.roles.tools import BASH, EDIT, SEARCH

SYSTEM = "You are the maker. " + "You change one repository until the contract holds. " * 60
BRIEF = """Ticket ENG-1: Shares lose a cent when an amount does not divide evenly

Iteration 1 of 3

## Contract

- [c1] it works (command: `python3 -m unittest tests.test_rounding -q`)
"""
BUG_TITLE = "Shares lose a cent when an amount does not divide evenly"
FEATURE_BRIEF = BRIEF.replace(BUG_TITLE, "Balances as JSON for scripts")


def task(**changes: Any) -> AgentTask:
    """A maker on the bug ticket, without tight limits."""
    facts: dict[str, Any] = {"role": "maker", "model": "claude-sonnet-5-5", "system": SYSTEM, "brief": BRIEF}
    return AgentTask(**{**facts, "max_turns": 30, **changes})


class ListConversation:
    """A transcript in memory; `waiting` is guidance that was not taken yet."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.kept = list(entries)
        self.waiting: list[Entry] = []
        self.total = Usage()
        self.share = 0.0
        self.leaves: list[Grant | Refusal] = []
        self.asked: list[tuple[Usage, Usage]] = []
        self.failures: list[IntegrationError | None] = []

    def entries(self) -> list[Entry]:
        return list(self.kept)

    def append(self, entry: Entry) -> None:
        self.kept.append(entry)

    def take_steering(self) -> list[Entry]:
        taken, self.waiting = self.waiting, []
        self.kept += taken
        return taken

    def reserve(self, least: Usage, most: Usage) -> Grant | Refusal:
        """Return the grants in `leaves`, then unlimited ones."""
        self.asked.append((least, most))
        return self.leaves.pop(0) if self.leaves else Grant(most.cost_usd)

    def settle(self, usage: Usage, *, answered: bool, failure: IntegrationError | None = None) -> Usage:
        self.failures.append(failure)
        self.total = self.total.plus(usage)
        return self.total

    def share_used(self) -> float:
        return self.share

    def steer(self, words: str) -> None:
        """Add guidance."""
        text = f"Comment from Ada:\n{words}"
        self.waiting.append(Entry("steering", {"text": text, "comment_ids": ["comment-1"]}))

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [entry.data for entry in self.kept if entry.kind == kind]


Act = Callable[[str, Mapping[str, Any], Callable[[], bool]], ToolResult]


class FunctionToolbox:
    """Tools whose results come from one function."""

    def __init__(self, act: Act | None = None, digest: Callable[[], str | None] = lambda: None) -> None:
        self.digest = digest
        self._act = act or (lambda name, arguments, stopped: ToolResult(f"{name} did what it was asked to do"))
        self._lock = threading.Lock()
        self.calls: list[str] = []

    def specs(self) -> Sequence[ToolSpec]:
        return (BASH, EDIT, SEARCH, VERDICT_TOOL)

    def call(
        self, name: str, arguments: Mapping[str, Any], stopped: Callable[[], bool], call_id: str = ""
    ) -> ToolResult:
        with self._lock:
            self.calls.append(name)
        return self._act(name, arguments, stopped)

    def work_digest(self, stopped: Callable[[], bool]) -> str | None:
        return self.digest()


def block_text(text: str) -> Entry:
    return Entry("block", {"type": "text", "text": text})


def block_call(name: str) -> Entry:
    return Entry("block", {"type": "tool_call", "id": name, "name": "bash", "input": {"command": name}})
