"""Missed webhooks: polling finds their events, and a late webhook is deduplicated."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import replace

import pytest
import requests
import structlog

from integrations import paging
from integrations.events import BranchPushed, ReviewSubmitted, TicketCommented, TicketRemoved
from jobs.effects.gather import gather
from jobs.loop.state import LOOP, Loop, Stage
from jobs.recovery.polling import pull_request_event
from jobs.runtime import keys
from jobs.runtime.notices import list_notices
from jobs.sweep import IN_TURN, sweep
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, VAGUE, hand_over, in_review, said


def swept(board: Board, identifier: str = BUG) -> Loop:
    sweep()
    loop = board.drive(identifier)
    assert loop
    return loop


def test_sweep_finds_a_missed_hand_over(board: Board) -> None:
    board.ana.drag(BUG, "Agent")

    assert swept(board).stage is Stage.PREFLIGHT


def test_board_whose_column_was_renamed_is_reported(board: Board) -> None:
    column = board.world.policy.teams["ENG"].columns["agent"]
    teams = {"ENG": replace(board.world.policy.teams["ENG"], columns={"agent": "Robots", "done": "Done"})}
    known = board.world.policy
    board.world.policy = replace(known, teams=teams)
    try:
        sweep()
    finally:
        board.world.policy = known
    (notice,) = list_notices(board.world.redis)
    assert "team ENG" in notice and "'Robots'" in notice and column in notice


@pytest.mark.parametrize("column", ["Backlog", "Done", "Needs Human"])
def test_ticket_that_was_dragged_away_unseen_stops(board: Board, column: str) -> None:
    hand_over(board, BUG)
    board.ana.drag(BUG, column)

    assert swept(board).stage is Stage.STOPPED


def test_sweep_ignores_a_ticket_that_loopline_is_about_to_move(board: Board) -> None:
    loop = hand_over(board, BUG)
    board.ana.drag(BUG, "Needs Human")
    t = loop.ticket.id
    board.world.redis.rpush(
        keys.outbox(t, "outer"), '{"id": "x", "command": {"kind": "MoveTicket", "column": "working"}}'
    )

    assert swept(board).stage is Stage.MAKING


def test_comment_that_was_missed_is_read_once(board: Board) -> None:
    hand_over(board, BUG)
    board.ana.say(BUG, "use decimals")

    loop = swept(board)
    again = swept(board)

    assert [words.text for words in loop.comments.guidance] == ["use decimals"]
    assert again.comments.guidance == loop.comments.guidance
    late = TicketCommented(
        event_id=f"comment:{loop.comments.last_id}", ticket_id=loop.ticket.id, comment_id=loop.comments.last_id
    )
    assert not board.world.store.deliver(late)


def test_comment_that_was_missed_before_another_is_read(board: Board) -> None:
    hand_over(board, BUG)
    board.ana.say(BUG, "use decimals")
    story.say(board, BUG, "and round up")

    assert {words.text for words in swept(board).comments.guidance} == {"use decimals", "and round up"}


def test_missed_retry_at_a_stopped_ticket_is_read(board: Board) -> None:
    story.stopped(board)
    time.sleep(0.01)
    board.ana.say(BUG, "/retry")

    assert swept(board).generation == 2


def test_missed_answer_starts_the_work(board: Board) -> None:
    hand_over(board, VAGUE)
    board.ana.say(VAGUE, "- `python3 -m unittest -q` passes")

    assert swept(board, VAGUE).stage is Stage.SCOUTING


def copied(board: Board, loop: Loop, times: int) -> None:
    """So many other tickets that look the same to us."""
    for n in range(times):
        other = replace(loop, ticket=replace(loop.ticket, id=f"other{n}", team="ENG"))
        board.world.redis.set(keys.loop(other.ticket.id), LOOP.encode(other))
        board.world.redis.sadd(keys.LOOPS, other.ticket.id)


def test_sweep_asks_the_code_host_about_a_few_pull_requests(board: Board) -> None:
    copied(board, in_review(board), 4 * IN_TURN)
    host = f"{board.urls['pull_requests']}/rate_limit"
    headers = {"Authorization": f"Bearer {board.environ['GITHUB_TOKEN']}"}

    before = requests.get(host, headers=headers, timeout=5).json()["rate"]["used"]
    sweep()
    after = requests.get(host, headers=headers, timeout=5).json()["rate"]["used"]

    assert IN_TURN <= after - before <= 4 * IN_TURN


def test_more_loops_than_one_sweep_reads_have_their_turn(board: Board) -> None:
    loop = hand_over(board, BUG)
    copied(board, loop, 2 * IN_TURN)
    board.ana.say(BUG, "use decimals")

    for _ in range(4):
        sweep()

    after = board.drive(BUG)
    assert after and [words.text for words in after.comments.guidance] == ["use decimals"]


@pytest.mark.parametrize("event", ["REQUEST_CHANGES", "APPROVE"])
def test_review_that_was_missed_counts_once(board: Board, event: str) -> None:
    known = in_review(board)
    board.ana.review(known.pull_request.number, event, "name it")

    loop = swept(board)

    approves = event == "APPROVE"
    assert (loop.stage, bool(loop.pull_request.approved_sha), bool(loop.review.due_at)) == (
        Stage.REVIEW,
        approves,
        not approves,
    )
    (review,) = board.world.code_host.reviews(loop.workspace.repository, loop.pull_request.number)
    late = ReviewSubmitted(
        event_id=f"review:{review.id}:{review.state}", ticket_id=loop.ticket.id, repository="acme/tally",
        review_id=review.id, state="approved",
    )  # fmt: skip
    assert not board.world.store.deliver(late)


def test_merge_that_was_missed_ends_the_loop(board: Board) -> None:
    known = in_review(board)
    board.ana.merge(known.pull_request.number)

    assert swept(board).stage is Stage.DONE
    assert len([body for body in said(board, BUG) if body.startswith("**Merged.**")]) == 1


def test_merge_that_was_missed_during_another_round_ends_the_loop(board: Board) -> None:
    known = in_review(board)
    story.say(board, BUG, "/changes name it")
    board.ana.merge(known.pull_request.number)

    assert swept(board).stage is Stage.DONE


def test_push_that_was_missed_is_found(board: Board) -> None:
    known = in_review(board)
    pull = board.world.code_host.fetch_pull_request(known.workspace.repository, known.pull_request.number)

    assert pull_request_event(known, pull) is None
    assert pull_request_event(known, dataclasses.replace(pull, head_sha="d" * 40)) is BranchPushed


def test_late_approval_that_was_dismissed_meanwhile_is_read_as_that(board: Board) -> None:
    known = in_review(board)
    board.ana.review(known.pull_request.number, "APPROVE", "fine")
    (review,) = board.world.code_host.reviews(known.workspace.repository, known.pull_request.number)
    number = known.pull_request.number
    place = f"{board.urls['pull_requests']}/repos/acme/tally/pulls/{number}/reviews/{review.id}/dismissals"
    requests.put(place, json={"message": "no"}, headers=board.ana.github_headers, timeout=5).raise_for_status()
    late = ReviewSubmitted(
        event_id="r", ticket_id=known.ticket.id, repository="acme/tally", number=number, review_id=review.id,
        state="approved",
    )  # fmt: skip

    now = gather(late, board.world)

    assert isinstance(now, ReviewSubmitted)
    assert now.state == "dismissed"


def test_late_push_only_names_the_pull_request_to_fetch(board: Board) -> None:
    known = in_review(board)
    late = BranchPushed(
        event_id="p",
        ticket_id=known.ticket.id,
        repository="acme/tally",
        branch=known.workspace.branch,
        head_sha="d" * 40,
    )

    now = gather(late, board.world)

    assert now is None


def test_old_removal_of_a_ticket_that_is_back_removes_nothing(board: Board) -> None:
    loop = hand_over(board, BUG)

    assert gather(TicketRemoved(event_id="r", ticket_id=loop.ticket.id), board.world) is None


def test_stale_delivery_only_names_the_comment_to_fetch(board: Board) -> None:
    loop = hand_over(board, BUG)
    comment = story.say(board, BUG, "the real words")
    stale = TicketCommented(event_id="s", ticket_id=loop.ticket.id, comment_id=comment, body="forged /stop")

    now = gather(stale, board.world)

    assert isinstance(now, TicketCommented)
    assert (now.body, now.author and now.author.may_steer) == ("the real words", True)


def test_ticket_whose_comments_never_end_does_not_hide_those_of_another(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = hand_over(board, BUG)
    hand_over(board, FEATURE)
    board.ana.say(FEATURE, "use decimals")
    monkeypatch.setattr(paging, "MAX_ITEMS", 3)
    for n in range(60):
        board.ana.say(BUG, f"comment {n}")

    with structlog.testing.capture_logs() as logged:
        loop = swept(board, FEATURE)

    assert [one.text for one in loop.comments.guidance] == ["use decimals"]
    (failed,) = [line for line in logged if line["event"] == "sweep of a ticket failed"]
    assert failed["ticket"] == endless.identifier
    assert failed["reason"] == "Linear's response to TicketComments has more than 3 items, so Loopline stopped reading"
