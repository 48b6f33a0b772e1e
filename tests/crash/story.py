"""The standard story: one ticket from the agent column to a merge asked for on it, with another ticket beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from integrations.standins.demo.person import Ana
from tests.crash.stack import FragileStack, unfinished

BUG, BESIDE = "ENG-1", "ENG-2"
ENDS = {BUG: "Done", BESIDE: "In Review", "ENG-3": "Backlog"}
PATIENCE = 90.0  # seconds for one step, so also for a recovery within it
LOOK_SECONDS = 0.25


class Stuck(Exception):
    """The story did not go on; the message says where and what was left to do."""


def play(stack: FragileStack) -> float:
    """Play it until everything is quiet; returns the seconds that it took. Raises `Stuck`."""
    ana, began = Ana(stack), time.monotonic()
    for identifier in (BUG, BESIDE):
        ana.drag(identifier, "Agent")
    _await(stack, lambda: ana.board()[BUG]["column"] == "In Review", f"{BUG} is in review")
    ana.say(BUG, "/approve")
    _await(stack, lambda: says(ana.board()[BUG], "Approved by Ana"), f"{BUG} is approved")
    ana.say(BUG, "/merge")
    _await(stack, lambda: {name: ana.board()[name]["column"] for name in ENDS} == ENDS, f"the board shows {ENDS}")
    took = time.monotonic() - began
    settle(stack)
    return took


def says(ticket: dict[str, Any], words: str) -> bool:
    """Whether Loopline has written these words on the ticket."""
    return any(words in c["body"] for c in ticket["comments"] if (c["user"] or {}).get("app"))


def settle(stack: FragileStack, patience: float = PATIENCE) -> None:
    """Return when nothing was left to do for a second."""
    with stack.redis() as redis:
        for _ in range(4):
            _await(stack, lambda: not unfinished(redis), "everything is quiet", patience)
            time.sleep(LOOK_SECONDS)


def _await(stack: FragileStack, there: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not there():
        if time.monotonic() > deadline:
            with stack.redis() as redis:
                raise Stuck(f"it never came that {what}; left: {'; '.join(unfinished(redis))}")
        time.sleep(LOOK_SECONDS)
