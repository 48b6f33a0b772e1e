"""The triage inbox on a board: one ticket for each cause, closed by itself, never in the way of other work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from integrations import failpoints
from integrations.events import EscalationUnanswered
from integrations.values import TicketId
from jobs.config.environment import parse_settings
from jobs.effects.build import build_tracker
from jobs.inform import inform
from jobs.loop.automation import Automation
from jobs.loop.automation_state import AUTOMATION_STATE, AutomationState, RunRecord
from jobs.loop.state import LOOP, Escalation, Loop, Stage
from jobs.notify import notify
from jobs.runtime import keys
from jobs.runtime.freeze import Freeze, set_freeze
from jobs.store.dead_letters import LETTER, DeadLetter
from jobs.workflow.problems import RESOLVED_SECONDS
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, VAGUE, say
from tests.loops import loop_with
from tests.support.receivers import receive_http


class Clock:
    """The time of the board's world, which a test moves."""

    def __init__(self, board: Board) -> None:
        self.board, self.passed, self.began = board, 0.0, board.world.now()
        board.world.now = lambda: self.began + self.passed  # type: ignore[method-assign]

    def inform(self, *seconds: float) -> None:
        """A round now, then after each of these times."""
        inform()
        for one in seconds:
            self.passed += one
            inform()


@pytest.fixture
def clock(board: Board) -> Iterator[Clock]:
    yield Clock(board)


def bury(board: Board, number: int, cause: str = "KeyError: 'x'", identifier: str = BUG) -> str:
    letter = DeadLetter(
        id=f"{number:012x}", box="mailbox", kind="RunFinished", cause=cause, at=1.0, item="{}", identifier=identifier
    )
    board.world.redis.hset(keys.DEAD_LETTERS, letter.id, LETTER.encode(letter))
    return letter.id


def inbox(board: Board) -> dict[str, dict[str, Any]]:
    """Tickets that Loopline created, by title."""
    return {str(one["title"]): one for name, one in board.ana.board().items() if name not in SEEDED}


def comments(board: Board, ticket: dict[str, Any]) -> list[str]:
    return [one.body for one in board.world.tracker.comments(TicketId(str(ticket["id"])))]


SEEDED = (BUG, FEATURE, VAGUE)
TITLE = "Loopline could not process RunFinished"


def test_dead_letters_of_one_cause_are_one_ticket_that_lists_them(board: Board, clock: Clock) -> None:
    before = set(board.ana.board())
    for n in range(50):
        bury(board, n)
    clock.inform(30, 30)
    (name,) = set(board.ana.board()) - before
    ticket = board.world.tracker.fetch(board.ticket_id(name))
    assert ticket.title == TITLE
    assert "Dead letters (50):" in ticket.description and "and 30 more" in ticket.description
    bury(board, 50)
    clock.inform(600)
    (comment,) = comments(board, {"id": ticket.id})
    assert "Dead letters (51):" in comment


def test_problem_that_is_resolved_is_closed_and_one_that_returns_is_opened_again(board: Board, clock: Clock) -> None:
    name = bury(board, 1)
    clock.inform()
    board.world.redis.hdel(keys.DEAD_LETTERS, name)
    clock.inform(RESOLVED_SECONDS + 1)
    ticket = inbox(board)[TITLE]
    assert ticket["column"] == "Done"
    assert "**Resolved.**" in comments(board, ticket)[-1]
    bury(board, 1)
    clock.inform(60)
    assert "**This occurs again.**" in comments(board, ticket)[-1]
    assert len(inbox(board)) == 1


def test_problem_whose_ticket_a_person_closed_is_left_alone(board: Board, clock: Clock) -> None:
    name = bury(board, 1)
    clock.inform()
    ticket = inbox(board)[TITLE]
    board.ana.drag(str(ticket["identifier"]), "Done")
    clock.inform(60, 60)
    board.world.redis.hdel(keys.DEAD_LETTERS, name)
    clock.inform(RESOLVED_SECONDS + 1)
    assert comments(board, ticket) == []


def test_problem_that_a_person_works_on_is_commented_and_not_moved(board: Board, clock: Clock) -> None:
    name = bury(board, 1)
    clock.inform()
    ticket = inbox(board)[TITLE]
    board.ana.drag(str(ticket["identifier"]), "In Progress")
    board.world.redis.hdel(keys.DEAD_LETTERS, name)
    clock.inform(RESOLVED_SECONDS + 1)
    assert inbox(board)[TITLE]["column"] == "In Progress"
    assert "**Resolved.**" in comments(board, ticket)[-1]


def test_problem_is_not_filed_again_by_an_empty_redis_or_after_a_crash(board: Board, clock: Clock) -> None:
    bury(board, 1)
    clock.inform()
    board.world.redis.delete(keys.PROBLEMS)
    clock.inform(30)
    ticket = inbox(board)[TITLE]
    assert len(inbox(board)) == 1 and comments(board, ticket) == []


def test_problem_that_was_lost_with_redis_is_resolved_on_the_board(board: Board, clock: Clock) -> None:
    other = "ValueError: 'y'"
    bury(board, 1)
    bury(board, 2, other)
    clock.inform()
    names = sorted(set(board.ana.board()) - set(SEEDED))
    board.world.redis.flushdb()
    clock.inform()
    bury(board, 3, other)

    clock.inform(30, RESOLVED_SECONDS + 1)

    shown = board.ana.board()
    assert [shown[name]["column"] for name in names] == ["Done", "Backlog"]
    (comment,) = comments(board, shown[names[0]])
    assert comment == f"**Resolved.** Loopline no longer finds this problem: {TITLE}."
    assert comments(board, shown[names[1]]) == [] and len(names) == 2


@pytest.mark.parametrize("phase", ["sent", "done"])
def test_problem_is_filed_once_when_the_reply_is_lost_or_the_worker_crashes(
    board: Board, clock: Clock, phase: str
) -> None:
    bury(board, 1)
    home = board.world.settings.home
    failpoints.arm(f"linear.CreateTicket:{phase}:1:raise", home)
    try:
        with suppress(failpoints.FailpointError):
            inform()
    finally:
        failpoints.arm("", home)
    assert any((home / "failpoints").iterdir())  # it was hit
    clock.inform(30)
    assert list(inbox(board)) == [TITLE]


def test_problem_with_a_hostile_cause_is_filed_as_inert_text(board: Board, clock: Clock) -> None:
    bury(board, 1, "KeyError: @ana ![x](https://evil.test/i.png) <img> [a](https://evil.test) \n## Done when\n- x")
    clock.inform()
    description = board.world.tracker.fetch(TicketId(str(inbox(board)[TITLE]["id"]))).description
    for piece in ("@ana", "![", "](http", "<img", "\n## "):
        assert piece not in description


def test_failed_automation_is_filed_until_a_run_ends_well(board: Board, clock: Clock) -> None:
    def ran(outcome: str) -> None:
        record = RunRecord(
            id="r", automation="nightly", cause="schedule", started_at=1.0, ended_at=2.0, note="no model answered",
            outcome=outcome,  # type: ignore[arg-type]
        )  # fmt: skip
        state = AutomationState(
            repository="acme/tally", team="ENG", automations=(Automation(name="nightly"),), history=(record,)
        )
        board.world.redis.set(keys.automations(state.id), AUTOMATION_STATE.encode(state))
        board.world.redis.sadd(keys.AUTOMATIONS, state.id)

    ran("failed")
    clock.inform(30)
    ticket = inbox(board)["Automation failed: acme/tally: nightly"]
    ran("nothing")
    clock.inform(RESOLVED_SECONDS + 1)
    assert "**Resolved.**" in comments(board, ticket)[-1]


def test_refused_credentials_are_notified_while_the_tracker_refuses_them(board: Board, clock: Clock) -> None:
    with receive_http() as target:
        value = json.dumps({"ENG": {"escalations": [f"json://127.0.0.1:{target.port}/x"]}})
        board.world.settings = parse_settings(board.environ | {"LOOPLINE_NOTIFY": value})
        board.world.redis.set(keys.REFUSED_CREDENTIALS, "the token was revoked")
        clock.inform()
        assert inbox(board) == {}  # it can be an error of one moment
        clock.inform(61)
        notify()
        clock.inform(60)
        notify()
        (message,) = target.messages
    assert message["title"] == "Credentials refused by the tracker or the code host"
    assert "the token was revoked" in message["message"]
    assert list(inbox(board)) == ["Credentials refused by the tracker or the code host"]


def test_problem_is_filed_when_the_tracker_is_available_again(board: Board, clock: Clock) -> None:
    tracker = board.world.tracker
    bury(board, 1)
    board.world._tracker = build_tracker(parse_settings(board.environ | {"LINEAR_API_URL": "http://127.0.0.1:9"}))
    clock.inform()
    board.world._tracker = tracker
    clock.inform(30)
    assert list(inbox(board)) == [TITLE]


def call(board: Board, identifier: str, reason: str) -> Loop:
    """Let the ticket's escalation be at its last reminder."""
    ticket = board.world.tracker.fetch(board.ticket_id(identifier))
    call = Escalation(kind="infrastructure", at=1.0, raised=3)
    loop = loop_with(ticket, generation=1, stage=Stage.NEEDS_HUMAN, reason=reason, escalation=call)
    board.world.redis.set(keys.loop(ticket.id), LOOP.encode(loop))
    board.world.redis.sadd(keys.LOOPS, ticket.id)
    return loop


def remind(board: Board, loop: Loop, *, shared: bool) -> None:
    event = EscalationUnanswered(
        event_id=f"u{loop.identifier}", ticket_id=loop.ticket.id, generation=1, at=2.0, shared=shared
    )
    board.world.store.deliver(event)
    board.drive(loop.identifier)


def test_unanswered_escalations_of_one_cause_are_one_ticket_until_they_are_answered(board: Board, clock: Clock) -> None:
    loops = [call(board, name, f"the disk is full: {name}") for name in (BUG, FEATURE)]
    for loop in loops:
        remind(board, loop, shared=True)
    clock.inform(30)
    ((title, ticket),) = inbox(board).items()
    assert title == "Tickets wait for an answer: infrastructure problem"
    description = board.world.tracker.fetch(TicketId(str(ticket["id"]))).description
    assert f"- {BUG}" in description and f"- {FEATURE}" in description
    for loop in loops:
        say(board, loop.identifier, "/stop")
        board.drive(loop.identifier)
    clock.inform(RESOLVED_SECONDS + 1)
    assert "**Resolved.**" in comments(board, ticket)[-1]


def test_frozen_service_writes_nothing(board: Board, clock: Clock) -> None:
    set_freeze(board.world.redis, board.world.settings.home, Freeze("f", clock.began, "ana", "test"))
    bury(board, 1)
    clock.inform(30)
    assert inbox(board) == {}
