"""Clean-up after a ticket: nothing stays on disk or on the code host, and every Redis key has an expiry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.events import PullRequestClosed, PullRequestReopened, TicketRemoved
from jobs.drive import drive
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.store.tickets import KEPT_SECONDS
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, finish, hand_over, in_review, said


def worktree(board: Board, loop: Loop) -> None:
    """Create a worktree as an agent process does."""
    mirror = board.world.mirror(loop.workspace.repository)
    mirror.create_workspace(board.world.run_folder(BUG, f"{loop.run_id}-left"), loop.workspace.base_sha)


def merged(board: Board) -> Loop:
    worktree(board, in_review(board))
    story.say(board, BUG, "/approve")
    story.say(board, BUG, "/merge")
    return ended(board)


def cancelled(board: Board) -> Loop:
    worktree(board, in_review(board))
    return story.moved(board, BUG, "Canceled")


def cancelled_at_work(board: Board) -> Loop:
    loop = hand_over(board, BUG)
    worktree(board, loop)
    story.moved(board, BUG, "Canceled")
    assert board.world.run_folder(BUG).exists(), "the agent may still write there"
    board.world.redis.delete(keys.retry_at(loop.ticket.id))
    return finish(board, loop, outcome="stopped")


def deleted(board: Board) -> Loop:
    loop = in_review(board)
    worktree(board, loop)
    board.ana.delete(BUG)
    board.world.store.deliver(TicketRemoved(event_id="gone", ticket_id=loop.ticket.id, at=3.0))
    board.world.redis.delete(keys.retry_at(loop.ticket.id))
    drive(loop.ticket.id)
    after = board.world.store.load(loop.ticket.id)
    assert after
    return after


def ended(board: Board) -> Loop:
    loop = board.drive(BUG)
    assert loop
    return loop


NO_EXPIRY = -1  # PTTL of a key without an expiry
ENDS = [merged, cancelled, cancelled_at_work, deleted]


@pytest.mark.parametrize("end", ENDS)
def test_ended_ticket_leaves_no_worktree_and_no_branch(board: Board, end: Callable[[Board], Loop]) -> None:
    loop = end(board)

    assert loop.stage is Stage.DONE
    assert not board.world.run_folder(BUG).exists()
    assert list((board.world.settings.home / "repos").glob("*/worktrees")) == []
    assert board.world.code_host.branch_head("acme/tally", loop.workspace.branch) is None


@pytest.mark.parametrize("end", ENDS)
def test_ended_ticket_leaves_no_redis_key_without_expiry(board: Board, end: Callable[[Board], Loop]) -> None:
    loop = end(board)
    redis, t = board.world.redis, loop.ticket.id

    ours = {name for name in redis.scan_iter() if t.encode() in name or BUG.encode() in name or b"index:" in name}

    assert {name for name in ours if redis.pttl(name) == NO_EXPIRY} == set()
    assert redis.ttl(keys.loop(t)) <= KEPT_SECONDS
    for key in (keys.lease(t), keys.retry_at(t), keys.mailbox(t), keys.outbox(t, "inner"), keys.outbox(t, "outer")):
        assert not redis.exists(key)
    assert (redis.scard(keys.READY), redis.scard(keys.RUNS)) == (0, 0)


def test_expired_loop_is_removed_from_the_set_of_loops(board: Board) -> None:
    loop = merged(board)
    board.world.redis.delete(keys.loop(loop.ticket.id))

    assert board.world.store.loops() == []
    assert board.world.redis.scard(keys.LOOPS) == 0


def test_closed_pull_request_is_cleaned_up_and_a_retry_uses_a_new_branch(board: Board) -> None:
    known = in_review(board)
    worktree(board, known)
    board.ana.close(known.pull_request.number)
    board.world.store.deliver(
        PullRequestClosed(
            event_id="c", ticket_id=known.ticket.id, repository="acme/tally", number=known.pull_request.number
        )
    )

    assert ended(board).stage is Stage.STOPPED
    assert not board.world.run_folder(BUG).exists()
    assert board.world.code_host.branch_head("acme/tally", known.workspace.branch) is None
    assert any("branch and worktree were deleted" in body for body in said(board, BUG))
    story.say(board, BUG, "/retry")
    again = ended(board)
    assert (again.stage, again.workspace.branch, again.pull_request.number) == (
        Stage.PREFLIGHT,
        f"{known.workspace.branch}-2",
        0,
    )


def test_reopened_pull_request_is_in_review_again(board: Board) -> None:
    known = in_review(board)
    board.ana.close(known.pull_request.number)
    event = {"ticket_id": known.ticket.id, "repository": "acme/tally", "number": known.pull_request.number}
    board.world.store.deliver(PullRequestClosed(**{"event_id": "c", **event}))
    board.drive(BUG)
    repository = board.world.code_host.repository("acme/tally")
    mirror = board.world.mirror("acme/tally", repository.clone_url, board.world.code_host.git_credentials("acme/tally"))
    mirror.push(known.workspace.branch, known.candidate.head_sha, None)
    board.ana.close(known.pull_request.number, state="open")
    back = {"event_id": "o", "branch": known.workspace.branch, "head_sha": known.candidate.head_sha}
    board.world.store.deliver(PullRequestReopened(**{**event, **back}))

    loop = ended(board)

    assert (loop.stage, loop.workspace.branch, loop.pull_request.pushed_sha) == (
        Stage.REVIEW,
        known.workspace.branch,
        known.candidate.head_sha,
    )


def test_ticket_that_was_dragged_away_keeps_its_work(board: Board) -> None:
    loop = hand_over(board, BUG)
    worktree(board, loop)

    assert story.moved(board, BUG, "Backlog").workspace.branch == loop.workspace.branch
    assert board.world.run_folder(BUG).exists()
