"""The story of an automation: a person starts it twice on a red default branch. The first run files a finding, the
second one notes it; both write the memory. And what must hold of its end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from redis.exceptions import RedisError

from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import TALLY, Project
from jobs.loop.automation_state import AutomationState
from jobs.store.automations import AutomationStore
from jobs.store.ledger import read_day_micro_usd, today
from tests.crash.facts import differ, plain
from tests.crash.stack import FragileStack, unfinished
from tests.crash.story import LOOK_SECONDS, PATIENCE, Stuck, settle

NAME, ASKED_ON = "nightly", "ENG-3"
RUNS = 2
DECLARATION = "---\nsources: [checks]\n---\nFind the cause of each failing check.\n"
RED_CI = [{"name": "build", "conclusions": ["failure"], "log": "E   assert 33 == 34"}]


@dataclass(frozen=True)
class MorningFacts:
    """Everything that is compared. Money is in millionths of a US dollar."""

    tickets: list[str]
    comments: dict[str, list[str]]
    runs: list[str]
    findings: list[str]
    left: list[str]
    counted: int
    spent: int


def project(folder: Path) -> Project:
    """The demo's repository with the automation, in a folder of its own."""
    shutil.copytree(TALLY.folder, folder)
    file = folder / ".loopline" / "automations" / f"{NAME}.md"
    file.parent.mkdir(parents=True)
    file.write_text(DECLARATION)
    return replace(TALLY, folder=folder)


def play(stack: FragileStack) -> float:
    """Play it until everything is quiet; returns the seconds that it took. Raises `Stuck`."""
    ana, began = Ana(stack), time.monotonic()
    _await(stack, lambda state: bool(state.automations), "the automation is declared")
    for number in range(1, RUNS + 1):
        ana.say(ASKED_ON, f"/run {NAME}")
        _await(stack, lambda state, most=number: len(state.history) == most, f"run {number} has ended")
        settle(stack)
    return time.monotonic() - began


def facts_of(stack: FragileStack) -> MorningFacts:
    """Read everything once; the stack is up and quiet."""
    board = Ana(stack).board()
    with stack.redis() as redis:
        (state,) = AutomationStore(redis).states()
        left, spent = unfinished(redis), read_day_micro_usd(redis, today(time.time()))
    return MorningFacts(
        tickets=[
            f"{name} {ticket['title']}: {ticket['column']}, {sorted(one['title'] for one in ticket['attachments'])}"
            for name, ticket in sorted(board.items())
        ],
        comments={name: [plain(c["body"]) for c in t["comments"] if c["user"]["app"]] for name, t in board.items()},
        runs=[
            f"{one.outcome}, {one.found} found, {one.duplicates} known, {one.filed} filed. {one.note}"
            for one in state.history
        ],
        findings=[
            f"{one.title}: {one.status}, {one.seen} times, {one.ticket.identifier if one.ticket else ''}"
            for one in state.findings
        ],
        left=left,
        counted=round(1e6 * sum(one.cost_usd for one in state.history)),
        spent=spent,
    )


def complaints(oracle: MorningFacts, found: MorningFacts) -> list[str]:
    """The differences that the crash made, one sentence each."""
    return [sentence for sentence in _complaints(oracle, found) if sentence]


def _complaints(oracle: MorningFacts, found: MorningFacts) -> Iterator[str]:
    yield differ("I1 tickets", oracle.tickets, found.tickets)
    yield differ("I3 comments", oracle.comments, found.comments)
    yield differ("runs", oracle.runs, found.runs)
    yield differ("findings", oracle.findings, found.findings)
    yield differ("I5 left in Redis", [], found.left)
    if found.counted != found.spent:
        yield f"I7 the runs cost {found.counted} millionths, the ledger has {found.spent}"


def _await(stack: FragileStack, there: Callable[[AutomationState], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _is_there(stack, there):
        if time.monotonic() > deadline:
            with stack.redis() as redis:
                raise Stuck(f"it never came that {what}; left: {'; '.join(unfinished(redis))}")
        time.sleep(LOOK_SECONDS)


def _is_there(stack: FragileStack, there: Callable[[AutomationState], bool]) -> bool:
    """A Redis that is away shows nothing."""
    try:
        with stack.redis() as redis:
            return any(map(there, AutomationStore(redis).states()))
    except RedisError:
        return False
