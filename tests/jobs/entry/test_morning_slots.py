"""The morning story: a slot finds a red check, and its one ticket becomes an ordinary loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.loop.state import Stage
from tests.jobs.board import Board
from tests.jobs.mornings import Mornings, mornings_on, wording

DAILY = "---\nschedule: 0 9 * * *\nsources: [checks]\n---\nFind the cause of each failure.\n"


@pytest.fixture
def mornings(board: Board, tmp_path: Path) -> Iterator[Mornings]:
    with mornings_on(board, tmp_path) as made:
        made.declare(DAILY)
        yield made


def find_key(mornings: Mornings, name: str) -> str:
    """The key of the item about this check."""
    return next(item.key for item in mornings.items() if name in item.key)


def test_finding_is_filed_accepted_and_becomes_an_ordinary_loop(mornings: Mornings) -> None:
    mornings.script_checks("build")
    mornings.pass_slot()
    key = find_key(mornings, "build")
    mornings.findings = [wording(key, "The build fails")]

    record = mornings.finish()

    assert record.cause == "schedule"
    assert (record.outcome, record.found, record.filed, record.duplicates) == ("filed", 1, 1, 0)
    assert record.cost_usd == mornings.state.spent["ci-triage"][next(iter(mornings.state.spent["ci-triage"]))] > 0
    (ticket,) = mornings.tickets()
    shown = mornings.board.ana.board()[ticket]
    assert shown["column"] != "Agent" and "The build fails" in shown["title"]

    mornings.move(ticket, "Agent")

    loop = mornings.board.world.store.load(shown["id"])
    assert loop and loop.generation == 1 and loop.stage is Stage.PREFLIGHT
    assert mornings.state.findings[0].status == "accepted"


@pytest.mark.long
def test_ten_mornings_with_the_same_failure_worded_differently_file_one_ticket(mornings: Mornings) -> None:
    mornings.script_checks("build")
    mornings.begin()
    key = find_key(mornings, "build")
    titles = ["The build fails", "CI is red", "main is broken since yesterday", "assert 33 == 34", "Split loses a cent"]
    mornings.findings = [wording(key, titles[0])]
    mornings.finish()

    records = [
        mornings.morning(wording(key, f"{titles[day % 5]} ({day})", f"Completely other text {day}."))
        for day in range(1, 10)
    ]

    assert [(one.outcome, one.found, one.duplicates, one.filed) for one in records] == 9 * [("nothing", 1, 1, 0)]
    assert len(mornings.tickets()) == 1 and mornings.state.findings[0].seen == 10
    assert len([one for one in mornings.board.ana.board().values() if "build" in one["title"].lower()]) == 1


def test_quiet_morning_calls_no_model_and_leaves_one_line(mornings: Mornings) -> None:
    record = mornings.morning()

    assert (record.outcome, record.cost_usd, mornings.asked) == ("nothing", 0.0, [])
    assert mornings.tickets() == [] and mornings.state.memory_ticket is None
