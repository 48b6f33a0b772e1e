"""The story: three tickets with Ana's actions, and their verified ends on the stand-ins."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from integrations.standins.demo.person import Ana

BUG, FEATURE, VAGUE = "ENG-1", "ENG-2", "ENG-3"
ENDS = {BUG: "Done", FEATURE: "Done", VAGUE: "Needs Human"}
STEERING = "Please call the flag --format json instead of --json, so that we can add csv later."
LOOK_SECONDS = 0.4

Board = dict[str, dict[str, Any]]


class Narrator:
    """Prints changes of the board and of the pull requests, each once."""

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
            state = "merged" if pull["merged_at"] else pull["state"]
            self._news(url, f"pull request #{pull['number']} {state}: {pull['title']}  {url}")
        return board

    def say(self, text: str) -> None:
        """One line with the time since the start."""
        print(f"{time.monotonic() - self._started:6.1f} s  {text}", flush=True)  # noqa: T201 - the narrative is the product

    def wait(self, identifier: str, what: str, there: Callable[[dict[str, Any]], bool], patience: float) -> None:
        """Return when the ticket is `there`. Raises `StoryError` after `patience` seconds."""
        deadline = time.monotonic() + patience
        while not there(self.look()[identifier]):
            if time.monotonic() > deadline:
                raise StoryError(f"after {patience:.0f} s nothing shows that {identifier} {what}")
            time.sleep(LOOK_SECONDS)

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


class StoryError(Exception):
    """The story did not reach its expected end."""


class Story:
    """Performs Ana's actions and waits for Loopline's. `patience` is seconds per step."""

    def __init__(self, ana: Ana, narrator: Narrator, patience: float) -> None:
        self._ana = ana
        self._narrator = narrator
        self._patience = patience
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def play(self) -> None:
        """All three tickets, concurrently."""
        for identifier in (BUG, FEATURE, VAGUE):
            self._narrator.say(f"Ana drags {identifier} to the agent column")
            self._began[identifier] = time.monotonic()
            self._ana.drag(identifier, "Agent")
        self._await(FEATURE, "is worked on", lambda t: "**Working**" in _said(t))
        self._narrator.say(f"Ana steers {FEATURE} by a comment")
        self._ana.say(FEATURE, STEERING)
        self._await(BUG, "is ready for review", lambda t: t["column"] == "In Review")
        self._narrator.say(f"Ana approves and merges {BUG} from the ticket")
        self._ana.say(BUG, "/approve")
        self._await(BUG, "is approved", lambda t: "Approved by Ana" in _said(t))
        self._ana.say(BUG, "/merge")
        self._await(FEATURE, "is ready for review", lambda t: t["column"] == "In Review")
        self._narrator.say(f"Ana merges {FEATURE} on its pull request")
        self._ana.merge(int(memory(self._ana.board()[FEATURE])["pull_request"]))
        for identifier, column in ENDS.items():
            self._await(identifier, f"is in {column}", partial(is_in, column))
            self._ended[identifier] = time.monotonic()
        self._await(VAGUE, "has a question", lambda t: "acceptance criteria before" in _said(t))

    def summary(self) -> dict[str, Any]:
        """The final state of the tickets and pull requests, and whether it is the expected one."""
        board, pulls = self._ana.board(), self._ana.pull_requests()
        tickets = [self._ticket(board[identifier], pulls) for identifier in ENDS]
        arrived = all(t["column"] == ENDS[t["identifier"]] for t in tickets)
        merged = [t["identifier"] for t in tickets if t["merged"]] == [BUG, FEATURE]
        judged = all(t["verdict"] == "done" and t["model_calls"] for t in tickets if t["merged"])
        steered = "delivered to the agent: 1" in _said(board[FEATURE])
        return {"tickets": tickets, "ok": arrived and merged and judged and steered}

    def _ticket(self, ticket: dict[str, Any], pulls: dict[str, dict[str, Any]]) -> dict[str, Any]:
        identifier, remembered = ticket["identifier"], memory(ticket)
        url = next((a["url"] for a in ticket["attachments"] if a["url"] in pulls), None)
        texts = {"done": "**Verdict: done", "asked": "acceptance criteria before"}
        criteria = json.loads(remembered.get("criteria") or '{"criteria": []}')["criteria"]
        return {
            "identifier": identifier,
            "column": ticket["column"],
            "pull_request": url,
            "merged": bool(url and pulls[url]["merged_at"]),
            "verdict": next((verdict for verdict, text in texts.items() if text in _said(ticket)), None),
            "head_sha": pulls[url]["head"]["sha"] if url else None,
            "criteria": [c["text"] for c in criteria],
            "model_calls": remembered.get("model_calls", 0),
            "cost_usd": remembered.get("cost_usd", 0),
            "seconds": round(self._ended.get(identifier, time.monotonic()) - self._began.get(identifier, 0), 1),
        }

    def _await(self, identifier: str, what: str, there: Callable[[dict[str, Any]], bool]) -> None:
        self._narrator.wait(identifier, what, there, self._patience)


def is_in(column: str, ticket: dict[str, Any]) -> bool:
    """Whether the ticket is in this column of the board."""
    return bool(ticket["column"] == column)


def memory(ticket: dict[str, Any]) -> dict[str, Any]:
    """The board memory on the ticket; empty before there is one."""
    found: list[dict[str, Any]] = [a["metadata"] for a in ticket["attachments"] if a["title"] == "Loopline"]
    return found[0] if found else {}


def _said(ticket: dict[str, Any]) -> str:
    return "\n".join(c["body"] for c in ticket["comments"] if (c["user"] or {}).get("app"))
