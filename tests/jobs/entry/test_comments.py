"""Comments on a real board: threads, mentions, edits and deletions, through gathering and performing."""

from __future__ import annotations

import time

from integrations.events import TicketCommented, TicketCommentRemoved
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.runtime.scripts import decode
from tests.jobs.board import Board
from tests.jobs.story import BUG, hand_over, in_review, say


def comments(board: Board) -> list[dict[str, object]]:
    return list(board.ana.board()[BUG]["comments"])


def find_steering(board: Board, loop: Loop) -> list[str]:
    """Guidance that the run has not read."""
    return [decode(raw) for raw in board.world.redis.lrange(keys.steering(loop.run_id), 0, -1)]


def edit(board: Board, comment_id: str, body: str) -> None:
    """Ana edits the comment and the webhook arrives."""
    board.ana.edit(comment_id, body)
    event = TicketCommented(
        event_id=f"edit:{body}", ticket_id=board.ticket_id(BUG), comment_id=comment_id, edited=True, at=time.time()
    )
    board.world.store.deliver(event)
    board.drive(BUG)


def test_reply_is_in_the_thread_of_the_question(board: Board) -> None:
    hand_over(board, BUG)
    root = say(board, BUG, "use cents")
    board.ana.say(BUG, "/status", thread=root)
    comment = str(comments(board)[-1]["id"])
    event = TicketCommented(event_id=f"comment:{comment}", ticket_id=board.ticket_id(BUG), comment_id=comment)
    board.world.store.deliver(event)
    board.drive(BUG)

    [reply] = [c for c in comments(board) if str(c["body"]).startswith("**Working**") and c["parent"]]

    assert reply["parent"] == {"id": root}


def test_reply_to_a_comment_that_is_deleted_is_outside_of_the_thread(board: Board) -> None:
    board.ana.say(BUG, "x")
    gone = str(comments(board)[-1]["id"])
    board.ana.erase(gone)

    ticket_id = board.ticket_id(BUG)
    board.world.tracker.comment(ticket_id, "late", "5b1f4d7e-0c1a-4c39-8a53-2d1a5c3f0b11", gone)  # type: ignore[arg-type]

    assert [c["body"] for c in comments(board) if not c["parent"]][-1] == "late"


def test_mention_by_profile_before_a_command_is_skipped(board: Board) -> None:
    hand_over(board, BUG)
    us = board.world.tracker.viewer()

    say(board, BUG, f"https://linear.app/acme/profiles/{us.handle} please /stop")

    loop = board.world.store.load(board.ticket_id(BUG))  # type: ignore[arg-type]
    assert loop and loop.stage is Stage.STOPPED


def test_edit_replaces_guidance_that_the_run_has_not_read(board: Board) -> None:
    loop = hand_over(board, BUG)
    comment = say(board, BUG, "use 41 as the default")

    edit(board, comment, "use 42 as the default")

    [queued] = find_steering(board, loop)
    assert "use 42" in queued


def test_deleted_comment_is_not_delivered(board: Board) -> None:
    loop = hand_over(board, BUG)
    comment = say(board, BUG, "use 41 as the default")
    board.ana.erase(comment)
    event = TicketCommentRemoved(event_id="removed", ticket_id=loop.ticket.id, comment_id=comment)
    board.world.store.deliver(event)

    after = board.drive(BUG)

    assert find_steering(board, loop) == []
    assert after and after.comments.guidance == ()


def test_plain_comment_in_review_is_seen_and_read_by_a_small_role(board: Board) -> None:
    in_review(board)

    say(board, BUG, "Please also round the result to two digits.")

    loop = board.world.store.load(board.ticket_id(BUG))  # type: ignore[arg-type]
    assert loop and loop.stage is Stage.REVIEW
    spec = board.world.runs.spec(loop.comments.answering.run_id)
    assert spec and spec.role == "answer"
    assert [r["emoji"] for r in comments(board)[-1]["reactions"]] == ["eyes"]  # type: ignore[attr-defined]
