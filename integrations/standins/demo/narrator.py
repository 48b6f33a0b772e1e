"""Prints changes of the board and of the pull requests. Read-only."""

from __future__ import annotations

import time
from typing import Any

from integrations.standins.demo.person import Ana


class Narrator:
    """Keeps the lines that it has printed."""

    def __init__(self, ana: Ana) -> None:
        self._ana = ana
        self._started = time.monotonic()
        self._columns: dict[str, str] = {}
        self._printed: dict[str, str] = {}

    def look(self) -> dict[str, dict[str, Any]]:
        """Read the board, print the changes, and return the board."""
        board = self._ana.board()
        for identifier, ticket in sorted(board.items()):
            self._column(identifier, ticket)
            for comment in ticket["comments"]:
                self._comment(identifier, comment)
        for url, pull in self._ana.pull_requests().items():
            self._news(url, f"pull request #{pull['number']} {_state(pull)}: {pull['title']}  {url}")
        return board

    def say(self, text: str) -> None:
        """One line with the time since the start."""
        print(f"{time.monotonic() - self._started:6.1f} s  {text}", flush=True)  # noqa: T201 - the narrative is the product

    def _column(self, identifier: str, ticket: dict[str, Any]) -> None:
        before = self._columns.get(identifier)
        if before not in (None, ticket["column"]):
            self.say(f"{identifier}  {before} → {ticket['column']}")
        self._columns[identifier] = ticket["column"]

    def _comment(self, identifier: str, comment: dict[str, Any]) -> None:
        who = (comment["user"] or {}).get("name", "somebody")
        first = next((line.strip() for line in comment["body"].splitlines() if line.strip()), "")
        self._news(comment["id"], f"{identifier}  {who}: {first[:150]}")

    def _news(self, key: str, text: str) -> None:
        if self._printed.get(key) != text:
            self._printed[key] = text
            self.say(text)


def _state(pull: dict[str, Any]) -> str:
    return "merged" if pull["merged_at"] else str(pull["state"])
