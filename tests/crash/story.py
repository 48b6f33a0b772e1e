"""The standard story: one ticket from the agent column to a merge asked for on it, with another ticket beside it, whose
pull request gets a suggestion in review."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from integrations.standins.demo.person import Ana
from tests.crash.stack import FragileStack, git, unfinished

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
    _await(stack, lambda: ana.board()[BESIDE]["column"] == "In Review", f"{BESIDE} is in review")
    number = suggest(stack, ana)
    _await(stack, lambda: len(ana.review_comments(number)) == 2, f"the comment on #{number} is answered")
    _await(stack, lambda: {name: ana.board()[name]["column"] for name in ENDS} == ENDS, f"the board shows {ENDS}")
    took = time.monotonic() - began
    settle(stack)
    return took


def suggest(stack: FragileStack, ana: Ana) -> int:
    """Ana suggests another line for the README that the other ticket changes; returns the pull request's number."""
    (repository,) = (stack.home / "github").rglob("tally.git")
    (branch,) = git(
        repository, "for-each-ref", "--format=%(refname:short)", f"refs/heads/loopline/{BESIDE.lower()}*"
    ).split()
    added = git(repository, "diff", "-U0", f"main...{branch}", "--", "README.md").splitlines()
    hunk = next(line for line in added if line.startswith("@@"))
    line = int(hunk.split("+")[1].split(" ")[0].split(",")[0])
    old = next(text[1:] for text in added if text.startswith("+") and not text.startswith("+++"))
    (number,) = (p["number"] for p in ana.pull_requests().values() if p["head"]["ref"] == branch)
    ana.comment_on_line(number, "README.md", line, f"```suggestion\n{old} \n```")
    return int(number)


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
