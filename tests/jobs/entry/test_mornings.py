"""The morning story: a red check becomes one ticket in triage, which a person accepts or rejects, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.values import TicketId
from jobs.automate import automate
from jobs.contract.agreement import read_ticket_criteria
from jobs.inbox.automation_sweep import find_missed
from jobs.loop.state import Stage
from tests.jobs.board import Board
from tests.jobs.mornings import MAILBOX, Mornings, mornings_on, wording

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


@pytest.mark.parametrize("days", [3, pytest.param(10, marks=pytest.mark.long)])
def test_mornings_with_the_same_failure_worded_differently_file_one_ticket(mornings: Mornings, days: int) -> None:
    mornings.script_checks("build")
    mornings.begin()
    key = find_key(mornings, "build")
    titles = ["The build fails", "CI is red", "main is broken since yesterday", "assert 33 == 34", "Split loses a cent"]
    mornings.findings = [wording(key, titles[0])]
    mornings.finish()

    records = [
        mornings.morning(wording(key, f"{titles[day % 5]} ({day})", f"Completely other text {day}."))
        for day in range(1, days)
    ]

    assert [(one.outcome, one.found, one.duplicates, one.filed) for one in records] == (days - 1) * [
        ("nothing", 1, 1, 0)
    ]
    assert len(mornings.tickets()) == 1 and mornings.state.findings[0].seen == days
    assert len([one for one in mornings.board.ana.board().values() if "build" in one["title"].lower()]) == 1


def test_rejected_finding_does_not_come_back(mornings: Mornings) -> None:
    mornings.script_checks("build")
    mornings.begin()
    key = find_key(mornings, "build")
    mornings.findings = [wording(key, "The build fails")]
    mornings.finish()
    mornings.move(mornings.tickets()[0], "Canceled")
    assert mornings.state.findings[0].status == "rejected"

    record = mornings.morning(wording(key, "CI is red again"))

    assert (record.found, record.filed, record.rejected) == (1, 0, 1)
    assert len(mornings.tickets()) == 1


def test_rejected_finding_with_other_evidence_is_filed_again_with_a_reference(mornings: Mornings) -> None:
    mornings.script_checks("build")
    mornings.begin()
    key = find_key(mornings, "build")
    mornings.findings = [wording(key, "The build fails")]
    mornings.finish()
    (rejected,) = mornings.tickets()
    mornings.move(rejected, "Canceled")

    mornings.script_checks("build", log="TypeError: unsupported operand")
    record = mornings.morning(wording(key, "The build fails with a TypeError"))

    assert (record.filed, record.rejected) == (1, 0)
    (again,) = mornings.tickets()
    ticket = mornings.board.world.tracker.fetch(TicketId(mornings.board.ticket_id(again)))
    assert again != rejected and f"This was rejected in {rejected}." in ticket.description
    assert read_ticket_criteria(ticket.description).is_complete


def test_three_findings_with_a_duplicate_among_them_are_two_tickets(mornings: Mornings) -> None:
    mornings.script_checks("build", "lint")
    mornings.relation = "same"
    mornings.begin()
    build, lint = find_key(mornings, "build"), find_key(mornings, "lint")
    mornings.findings = [
        wording(build, "The split loses a cent"),
        wording(build, "A cent is lost"),
        wording(lint, "Style of the code is wrong", severity="low"),
    ]

    record = mornings.finish()

    assert (record.found, record.duplicates, record.filed) == (3, 1, 2)
    assert [one.severity for one in mornings.state.findings] == ["high", "low"]


def test_near_duplicate_is_judged_by_the_matcher(mornings: Mornings) -> None:
    mornings.script_checks("build")
    mornings.begin()
    first = find_key(mornings, "build")
    mornings.findings = [wording(first, "The split of a bill loses one cent")]
    mornings.finish()
    mornings.script_checks("build", "nightly")
    mornings.relation = "same"
    mornings.begin()
    other = find_key(mornings, "nightly")
    mornings.findings = [wording(other, "The split of a bill loses a cent")]

    record = mornings.finish()

    assert (record.found, record.duplicates, record.filed) == (1, 1, 0)
    assert [one.role for one in mornings.asked] == ["triage", "triage", "matcher"]
    assert len(mornings.tickets()) == 1


def test_quiet_morning_calls_no_model_and_leaves_one_line(mornings: Mornings) -> None:
    record = mornings.morning()

    assert (record.outcome, record.cost_usd, mornings.asked) == ("nothing", 0.0, [])
    assert mornings.tickets() == [] and mornings.state.memory_ticket is None


def test_memory_is_rebuilt_after_redis_was_lost(mornings: Mornings) -> None:
    mornings.script_checks("build", "lint")
    mornings.begin()
    build, lint = find_key(mornings, "build"), find_key(mornings, "lint")
    mornings.findings = [wording(build, "The build fails"), wording(lint, "Style of the code is wrong")]
    mornings.finish()
    mornings.move(mornings.tickets()[1], "Canceled")
    before = mornings.state

    mornings.board.world.redis.flushdb()
    find_missed(mornings.board.world)
    automate(MAILBOX)

    state = mornings.state
    assert [(one.fingerprint, one.status) for one in state.findings] == [
        (one.fingerprint, one.status) for one in before.findings
    ]
    assert [one.name for one in state.automations] == ["ci-triage"]
    record = mornings.morning(wording(build, "Red build"), wording(lint, "Formatting is off"))
    assert (record.found, record.filed, record.duplicates, record.rejected) == (2, 0, 1, 1)
