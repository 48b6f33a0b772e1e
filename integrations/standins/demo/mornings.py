"""The story of two mornings: an automation finds work on a repository whose CI is red, and people decide about it.

The clock of the schedule is virtual: `loopline automations advance` starts the runs of the next slots.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import requests

from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import HERE, ROOT, Project, Stack
from integrations.standins.demo.story import Narrator, StoryError, is_in

_FILES = HERE.parent / "demo_projects"
PARCELS = Project("PAR", "Parcels", "acme/parcels", _FILES / "parcels", _FILES / "parcels.tickets.json", triage=True)
NAME, REJECTED = "morning", "Rejected by Ana"
RATES = "parcels/rates.py"
LOG = """\
FAIL: test_parcel_above_a_step_has_the_next_price (tests.test_rates.Rates)
AssertionError: 950 != 1690
FAILED (failures=1)
"""
CHECKS = [
    {"name": "tests", "file": RATES, "contains": "if kilograms <= most"},
    {"name": "tests", "conclusions": ["failure"], "log": LOG},
]
ISSUE = {"title": "Prices in dollars", "body": "We ship to Boston. Please show dollars beside euros.", "author": "bo"}
LOOK_SECONDS = 0.4


class Mornings:
    """Plays the mornings and checks their ends. `patience` is seconds per step."""

    def __init__(self, stack: Stack, patience: float) -> None:
        self._stack, self._patience = stack, patience
        self._ana = Ana(stack, PARCELS)
        self._narrator = Narrator(self._ana)

    def play(self) -> list[dict[str, Any]]:
        """Two mornings; the entry of each. Raises `StoryError` if a step takes too long."""
        self._narrator.look()
        self._prepare()
        self._start_morning(1)
        red, dollars = sorted(self._list_findings(), key=lambda ticket: "CI is red" not in ticket["title"])
        self._narrator.say(f"Ana accepts {red['identifier']} and rejects {dollars['identifier']}")
        self._ana.drag(red["identifier"], "Agent")
        self._ana.say(dollars["identifier"], "/ignore we sell in euros only")
        self._await(dollars, "is rejected", partial(_shows, REJECTED))
        self._await(red, "is ready for review", partial(is_in, "In Review"))
        self._ana.say(red["identifier"], "/approve")
        self._await(red, "is approved", partial(_shows, "Approved by Ana"))
        self._ana.say(red["identifier"], "/merge")
        self._await(red, "is merged", partial(is_in, "Done"))
        self._start_morning(2)
        second, first = self._read()["history"]
        board = self._ana.board()
        accepted = is_in("Done", board[red["identifier"]])
        rejected = _shows(REJECTED, board[dollars["identifier"]])
        return [self._describe(first, accepted, rejected), self._describe(second)]

    def _prepare(self) -> None:
        """An open issue, and a commit with which the tests fail."""
        body = {"repository": PARCELS.repository, "issues": [ISSUE]}
        self._control("_sources", body)
        self._control("_ci", {"repository": PARCELS.repository, "checks": CHECKS, "apply": "main"})
        self._narrator.say("A colleague pushes a commit to acme/parcels, and its CI is red")
        address = self._stack.urls["pull_requests"].replace("://", f"://ana:{self._stack.tokens['github_ana']}@")
        with tempfile.TemporaryDirectory() as folder:
            _git(Path(folder), "clone", "-q", f"{address}/{PARCELS.repository}.git", ".")
            file = Path(folder) / RATES
            file.write_text(file.read_text().replace("if kilograms <= most", "if round(kilograms) <= most"))
            own = ("-c", "user.name=Ana Flores", "-c", "user.email=ana@acme.test")
            _git(Path(folder), *own, "commit", "-qam", "Round weights to whole kilograms")
            _git(Path(folder), "push", "-q", "origin", "HEAD:main")
        self._until("the automation is declared", lambda: self._read(missing_ok=True).get("next_at"))

    def _start_morning(self, number: int) -> None:
        slot = float(self._read()["next_at"])
        when = datetime.fromtimestamp(slot, UTC).isoformat(timespec="minutes")
        self._narrator.say(f"Morning {number} of the automation {NAME}: {when}")
        command = [sys.executable, "-m", "service", "automations", "advance", when, "--env-file", os.devnull]
        done = subprocess.run(
            command, cwd=ROOT, env=self._stack.settings(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StoryError(f"the schedule could not be advanced: {done.stdout}{done.stderr}")
        self._until(f"morning {number} has ended", lambda: len(self._read()["history"]) == number)

    def _list_findings(self) -> list[dict[str, Any]]:
        found = [ticket for ticket in self._narrator.look().values() if ticket["column"] == "Triage"]
        if len(found) != 2:
            raise StoryError(f"{len(found)} tickets are in Triage instead of 2")
        return found

    def _describe(self, record: dict[str, Any], accepted: int = 0, rejected: int = 0) -> dict[str, Any]:
        """The numbers of one morning, with those of its tickets that people accepted and rejected. A finding that was
        rejected before counts as rejected at each morning that finds it."""
        return {
            "automation": record["automation"],
            **{name: record[name] for name in ("found", "duplicates", "filed")},
            "accepted": int(accepted),
            "rejected": int(rejected) + record["rejected"],
            "cost_usd": record["cost_usd"],
        }

    def _read(self, *, missing_ok: bool = False) -> dict[str, Any]:
        """The automation as the dashboard's API shows it."""
        answer = requests.get(
            f"{self._stack.urls['dashboard']}/api/automations",
            headers={"Authorization": f"Bearer {self._stack.tokens['dashboard']}"},
            timeout=20,
        )
        answer.raise_for_status()
        repositories = answer.json()["automations"]
        found = [one for place in repositories for one in place["automations"] if one["name"] == NAME]
        if not found and not missing_ok:
            raise StoryError(f"the dashboard shows no automation {NAME}")
        return found[0] if found else {}

    def _control(self, name: str, body: dict[str, Any]) -> None:
        requests.post(f"{self._stack.urls['pull_requests']}/{name}", json=body, timeout=10).raise_for_status()

    def _await(self, ticket: dict[str, Any], what: str, there: Callable[[dict[str, Any]], bool]) -> None:
        self._narrator.wait(ticket["identifier"], what, there, self._patience)

    def _until(self, what: str, there: Callable[[], Any]) -> None:
        deadline = time.monotonic() + self._patience
        while not there():
            if time.monotonic() > deadline:
                raise StoryError(f"after {self._patience:.0f} s nothing shows that {what}")
            time.sleep(LOOK_SECONDS)


def is_expected(mornings: list[dict[str, Any]]) -> bool:
    """Whether the mornings have the numbers of the story."""
    names = ("found", "duplicates", "filed", "accepted", "rejected")
    numbers = [tuple(morning[name] for name in names) for morning in mornings]
    return numbers == [(3, 1, 2, 1, 1), (1, 0, 0, 0, 1)] and all(morning["cost_usd"] > 0 for morning in mornings)


def _shows(text: str, ticket: dict[str, Any]) -> bool:
    return any(text in comment["body"] for comment in ticket["comments"])


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
