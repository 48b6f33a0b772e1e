"""The rights of people on the board, read from its stand-in by a worker."""

from __future__ import annotations

import time

import requests

from integrations.events import TicketCommented
from integrations.standins.linear.seed import stable_id
from integrations.values import Person
from jobs.access import look_up_member
from jobs.loop.state import Loop, Stage
from jobs.store.calls import find_answer
from jobs.store.members import find_member
from jobs.sweep import sweep
from tests.jobs.board import Board
from tests.jobs.story import BUG, hand_over, said


def test_member_has_permissions_and_readable_teams(board: Board) -> None:
    team = board.app.store.get("Team", stable_id("Team", "ENG"))
    assert team
    board.app.store.commit("", "seed", {}, "", [{**team, "hiddenFrom": [stable_id("User", "eve@acme.test")]}])
    rights = {}
    for email in ("Ana@acme.test", "eve@acme.test", "bot@acme.test", "nobody@acme.test"):
        look_up_member(email)
        rights[email] = find_member(board.world.redis, email)

    ana, eve = rights["Ana@acme.test"], rights["eve@acme.test"]
    assert ana and ana.person and ana.person.may_steer and ana.may_approve and ana.teams == ("ENG",)
    assert eve and eve.person and not eve.person.may_steer and not eve.may_approve and eve.teams == ()
    assert [rights[one] and rights[one].person for one in ("bot@acme.test", "nobody@acme.test")] == [None, None]  # type: ignore[union-attr]


def test_member_that_cannot_be_looked_up_is_reported(board: Board) -> None:
    fault(board, "Member", "500")

    look_up_member("ana@acme.test")

    found = find_member(board.world.redis, "ana@acme.test")
    assert found and found.person is None and "Linear" in found.problem


def fault(board: Board, operation: str, kind: str) -> None:
    given = {"operation": operation, "kind": kind, "times": 1}
    assert requests.post(f"{board.urls['board']}/_faults", json=given, timeout=5).ok


def call(board: Board, loop: Loop, **text: str) -> TicketCommented:
    """The event of a request of Ana's client."""
    author, at = Person(id="", email="ana@acme.test"), time.time()
    known = {"event_id": "call:1", "ticket_id": loop.ticket.id, "comment_id": "", "through": "MCP"}
    return TicketCommented(**known, at=at, written_at=at, author=author, **text)  # type: ignore[arg-type]


def test_call_that_is_not_posted_yet_is_not_taken_for_a_deleted_comment(board: Board) -> None:
    loop = hand_over(board, BUG)
    board.world.store.deliver(call(board, loop, body="Please look at the rounding."))
    fault(board, "commentCreate", "500")
    board.drive(BUG)

    sweep()
    board.drive(BUG)
    board.world.redis.delete(f"retry:{loop.ticket.id}")
    after = board.drive(BUG)

    assert after and [one.text for one in after.comments.guidance] == ["Please look at the rounding."]
    assert [one.text for one in after.comments.pending] == ["Please look at the rounding."]
    assert [one for one in said(board, BUG) if "through MCP" in one]


def test_call_is_posted_and_answered_once_when_requests_to_the_board_fail(board: Board) -> None:
    loop = hand_over(board, BUG)
    event = call(board, loop, command="stop")
    fault(board, "Member", "500")
    fault(board, "commentCreate", "lost_reply")
    board.world.store.deliver(event)
    for _ in range(4):
        board.world.redis.delete(f"retry:{loop.ticket.id}")
        board.drive(BUG)

    assert [one.partition(":**")[0] for one in said(board, BUG) if "through MCP" in one] == [
        "**Ana Flores (through MCP)"
    ]
    answer = find_answer(board.world.redis, "call:1")
    assert answer and answer.stages == (loop.stage.value, Stage.STOPPED.value) and answer.replies
    assert not board.world.store.deliver(event)
