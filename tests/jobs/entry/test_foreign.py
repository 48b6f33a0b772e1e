"""Commits of other accounts on a ticket's branch: they are never deleted or pushed over, and work continues on top."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.events import BranchPushed, PullRequestClosed, TicketRemoved
from integrations.values import NO_COMMIT
from jobs.drive import drive
from jobs.loop.state import Loop, Stage
from jobs.workflow.hand_over import branch_name
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.hands import SHOP, Hands, base_head, drive_again, git_push, interrupt, publish_more, unfinished
from tests.jobs.story import BUG, finish, hand_over, in_review, said, say


@pytest.fixture
def hands(board: Board) -> Hands:
    return Hands(board)


# --- branches that existed before -------------------------------------------------------------------------------------


def predict_branch(board: Board) -> str:
    """The branch that the first generation of the ticket gets."""
    return branch_name(board.world.tracker.fetch(board.ticket_id(BUG)), 1)


def test_branch_that_existed_before_is_left_and_another_one_is_used(board: Board, hands: Hands) -> None:
    old = predict_branch(board)
    hands.branch(old, base_head(board))
    mine = hands.commit(old)

    loop = in_review(board, hand_over(board, BUG))

    assert (hands.head(old), loop.stage) == (mine, Stage.REVIEW)
    assert loop.workspace.branch.startswith(f"{old}-") and not loop.foreign.pushes
    assert sum("existed before this ticket's work" in body for body in said(board, BUG)) == 1


def test_branch_that_appears_during_the_work_is_left_and_another_one_is_used(board: Board, hands: Hands) -> None:
    working = hand_over(board, BUG)
    hands.branch(working.workspace.branch, base_head(board))
    mine = hands.commit(working.workspace.branch)

    loop = in_review(board, working)

    assert (hands.head(working.workspace.branch), loop.stage) == (mine, Stage.REVIEW)
    assert loop.workspace.branch != working.workspace.branch
    story.moved(board, BUG, "Canceled")
    assert hands.head(working.workspace.branch) == mine


# --- ends that leave a person's branch --------------------------------------------------------------------------------


def cancel(board: Board, hands: Hands, loop: Loop) -> None:
    story.moved(board, BUG, "Canceled")


def delete_ticket(board: Board, hands: Hands, loop: Loop) -> None:
    board.ana.delete(BUG)
    board.world.store.deliver(TicketRemoved(event_id="gone", ticket_id=loop.ticket.id, at=9.0))
    drive(loop.ticket.id)


def close(board: Board, hands: Hands, loop: Loop) -> None:
    say(board, BUG, "/close")


def close_pull_request(board: Board, hands: Hands, loop: Loop) -> None:
    board.ana.close(loop.pull_request.number)
    hands.deliver(PullRequestClosed, loop, number=loop.pull_request.number, by="ana")


@pytest.mark.parametrize("end", [cancel, delete_ticket, close])
def test_branch_that_was_taken_over_stays_whatever_happens(
    board: Board, hands: Hands, end: Callable[[Board, Hands, Loop], None]
) -> None:
    loop = in_review(board)
    say(board, BUG, "/takeover")
    mine = hands.push(loop).workspace.branch and hands.head(loop.workspace.branch)

    end(board, hands, loop)
    drive(loop.ticket.id)

    assert mine and hands.head(loop.workspace.branch) == mine


@pytest.mark.parametrize(("end", "is_reported"), [(cancel, True), (delete_ticket, False), (close_pull_request, False)])
def test_branch_with_a_commit_of_a_person_stays(
    board: Board, hands: Hands, end: Callable[[Board, Hands, Loop], None], *, is_reported: bool
) -> None:
    loop = in_review(board)
    mine = hands.commit(loop.workspace.branch)
    if is_reported:
        hands.deliver(BranchPushed, loop, branch=loop.workspace.branch, head_sha=mine, by="ana")

    end(board, hands, loop)
    drive(loop.ticket.id)

    assert hands.head(loop.workspace.branch) == mine
    if end is not delete_ticket:
        assert any("is left" in body for body in said(board, BUG))


def test_branch_with_commits_of_a_person_below_those_of_loopline_stays(board: Board, hands: Hands) -> None:
    hands.push(in_review(board))
    say(board, BUG, "/changes remove the other folder too")
    working = board.world.store.load(board.ticket_id(BUG))
    assert working
    loop = publish_more(board, finish(board, working))
    own = hands.head(loop.workspace.branch)
    assert (loop.stage, own) == (Stage.REVIEW, loop.candidate.head_sha)

    story.moved(board, BUG, "Canceled")

    assert hands.head(loop.workspace.branch) == own


# --- pushes during the work -------------------------------------------------------------------------------------------


def revising(board: Board) -> Loop:
    """A maker at work on a branch that is on the code host."""
    in_review(board)
    say(board, BUG, "/changes once more")
    loop = board.world.store.load(board.ticket_id(BUG))
    assert loop
    return finish(board, loop)


def test_push_during_the_work_pauses_and_resume_continues_on_top_of_both(board: Board, hands: Hands) -> None:
    working = revising(board)
    draft = unfinished(board, working)
    paused = hands.push(working)
    assert (paused.stage, "ana pushed" in paused.reason) == (Stage.STOPPED, True)
    stopped = interrupt(board, working, draft)
    assert stopped.checkpoint == draft

    say(board, BUG, "/resume")

    loop = drive_again(board)
    mirror = board.world.mirror(SHOP)
    assert loop.stage is Stage.PREFLIGHT and mirror.is_ancestor(paused.candidate.head_sha, loop.checkpoint)
    assert [mirror.read(loop.checkpoint, path) for path in ("NOTES.md", "draft.txt")] == ["mine\n", "draft\n"]
    assert [push.by for push in loop.foreign.pushes] == ["ana"]


def test_push_that_conflicts_with_unfinished_work_loses_neither(board: Board, hands: Hands) -> None:
    working = revising(board)
    draft = unfinished(board, working, "NOTES.md", "theirs\n")
    hands.push(working)
    interrupt(board, working, draft)

    say(board, BUG, "/resume")

    loop = drive_again(board)
    both = board.world.mirror(SHOP).read(loop.checkpoint, "NOTES.md")
    assert both and "mine" in both and "theirs" in both
    assert "conflict markers" in loop.comments.guidance[-1].text
    assert any("both change `NOTES.md`" in body for body in said(board, BUG))


def test_push_just_before_loopline_s_own_pauses_and_keeps_the_verified_work(board: Board, hands: Hands) -> None:
    working = revising(board)
    mine = hands.commit(working.workspace.branch)

    paused = publish_more(board, working)

    assert (paused.stage, hands.head(paused.workspace.branch)) == (Stage.STOPPED, mine)
    assert paused.checkpoint and paused.foreign.head == mine
    say(board, BUG, "/resume")
    assert board.world.mirror(SHOP).is_ancestor(mine, drive_again(board).checkpoint)


def test_force_push_is_the_new_head(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    branch = loop.workspace.branch
    hands.branch("rebased", base_head(board))
    rebased = hands.commit("rebased", "REBASED.md")
    git_push(board, f"+{rebased}:refs/heads/{branch}", "rebased")

    after = hands.deliver(BranchPushed, loop, branch=branch, head_sha=rebased, by="ana", is_forced=True)

    assert (after.stage, after.pull_request.pushed_sha, after.candidate.verdict) == (Stage.REVIEW, rebased, None)
    assert any("ana force-pushed" in body for body in said(board, BUG))
    say(board, BUG, "/resume")
    assert drive_again(board).candidate.head_sha == rebased


def test_resume_after_a_takeover_continues_on_the_persons_branch(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    say(board, BUG, "/takeover")
    mine = hands.commit(loop.workspace.branch)

    say(board, BUG, "/resume")

    again = drive_again(board)
    assert (again.workspace.branch, again.workspace.taken_over_by) == (loop.workspace.branch, "")
    assert (again.candidate.head_sha, again.foreign.head) == (mine, mine)
    story.moved(board, BUG, "Canceled")
    assert hands.head(loop.workspace.branch) == mine


def test_resume_in_review_checks_the_commit_of_a_person(board: Board, hands: Hands) -> None:
    voided = hands.push(in_review(board))
    say(board, BUG, "/resume")

    loop = drive_again(board)

    assert (loop.stage, loop.candidate.head_sha) == (Stage.PREFLIGHT, voided.candidate.head_sha)
    assert loop.pull_request.number == voided.pull_request.number


def test_branch_that_was_deleted_stops_with_one_sentence(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    hands.call("DELETE", f"/repos/{SHOP}/git/refs/heads/{loop.workspace.branch}")
    number = loop.pull_request.number

    hands.deliver(BranchPushed, loop, branch=loop.workspace.branch, head_sha=NO_COMMIT, by="ana")
    after = hands.deliver(PullRequestClosed, loop, number=number, by="ana")

    assert after.stage is Stage.STOPPED
    stopped = [body for body in said(board, BUG) if body.startswith("**Stopped:**")]
    assert len(stopped) == 1 and "the branch was deleted on the code host by ana" in stopped[0]
