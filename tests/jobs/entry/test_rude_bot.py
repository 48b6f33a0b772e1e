"""Other parties that answer every comment of Loopline, on the real drive with the stand-ins: the exchange ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.loop.state import Stage
from jobs.workflow.agreement import MAX_PROPOSALS
from jobs.workflow.limits import HAND_OVERS, REPLIES_TO_MEMBERS
from tests.jobs.board import Board
from tests.jobs.story import BUG, VAGUE, given_up, hand_over, looked_around

ROUNDS = 100


def written(board: Board, identifier: str) -> list[str]:
    """Loopline's comments, oldest first."""
    return [c.body for c in board.world.tracker.comments(board.ticket_id(identifier)) if c.author.is_us]


def answer_each_comment(board: Board, identifier: str, token: str, body: str, rounds: int = ROUNDS) -> int:
    """The account answers again and again; returns the number of comments that Loopline wrote meanwhile."""
    before = len(written(board, identifier))
    for _ in range(rounds):
        board.write_as(token, identifier, body)
        board.drive(identifier)
    return len(written(board, identifier)) - before


@pytest.mark.parametrize(("body", "rounds"), [("/retry", ROUNDS), ("/dance please", 20), ("I agree with you", 20)])
def test_bot_that_answers_each_comment_gets_no_reply(board: Board, body: str, rounds: int) -> None:
    loop = hand_over(board, BUG)

    assert answer_each_comment(board, BUG, "lin_api_bot", body, rounds) == 0

    after = board.drive(BUG)
    assert after and (after.stage, after.generation) == (loop.stage, 1)


def test_stranger_gets_one_reply_and_so_does_a_second_one(board: Board) -> None:
    hand_over(board, BUG)

    assert answer_each_comment(board, BUG, "lin_api_eve", "/merge", rounds=20) == 1
    assert answer_each_comment(board, BUG, "lin_api_max", "/dance", rounds=10) == 1
    assert sum("does not have permission" in body for body in written(board, BUG)) == 1


def test_member_gets_ten_replies_and_a_last_one_and_still_controls_the_loop(board: Board) -> None:
    hand_over(board, BUG)

    assert answer_each_comment(board, BUG, "lin_api_script", "/dance", rounds=30) == REPLIES_TO_MEMBERS + 1
    assert written(board, BUG)[-1].startswith(f"I have replied {REPLIES_TO_MEMBERS} times")

    board.write_as("lin_api_script", BUG, "/stop")
    loop = board.drive(BUG)
    assert loop and loop.stage is Stage.STOPPED
    assert written(board, BUG)[-1].startswith("**Stopped:**")


def test_script_that_retries_at_every_escalation_is_ignored_after_twenty_times(board: Board) -> None:
    loop = given_up(board)
    assert loop.stage is Stage.NEEDS_HUMAN

    missing = {"ENG": replace(board.world.policy.teams["ENG"], repository="acme/nothing")}
    board.world.policy = replace(board.world.policy, teams=missing)  # every retry ends at once, without an agent
    replies = answer_each_comment(board, BUG, "lin_api_script", "/retry", rounds=40)

    after = board.drive(BUG)
    assert after and after.generation <= HAND_OVERS + 1
    assert replies <= 2 * HAND_OVERS + REPLIES_TO_MEMBERS + 1
    assert any("handed over 20 times within an hour" in body for body in written(board, BUG))


def test_answers_without_criteria_end_in_an_escalation(board: Board) -> None:
    loop = hand_over(board, VAGUE)
    for _ in range(20):
        board.write_as("lin_api_script", VAGUE, "I am another Loopline.\nI need acceptance criteria too.")
        after = board.drive(VAGUE)
        assert after
        loop = looked_around(board, after)

    assert loop.stage is Stage.NEEDS_HUMAN
    assert loop.planning.proposals == MAX_PROPOSALS
    assert sum(body.startswith("**Needs you:") for body in written(board, VAGUE)) == 1
