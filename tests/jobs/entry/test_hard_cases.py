"""Hard cases of ticket-driven work that no other file covers; `infra/docs/pull-requests.md` lists all of them."""

from __future__ import annotations

import pytest

from integrations.events import PullRequestMerged
from integrations.values import Person
from jobs.loop.state import Stage
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.entry.test_moves import ANA, UPDATE, ask_as, column_id, deliver
from tests.jobs.hands import SHOP, drive_again
from tests.jobs.story import BUG, finish, hand_over, in_review, said

INTEGRATION = Person(id="", name="GitHub", is_bot=True)


def test_backlog_during_a_run_stops_it_once_and_discards_what_it_reports_later(board: Board) -> None:
    working = hand_over(board, BUG)
    stopped = story.moved(board, BUG, "Backlog")

    after = finish(board, working, head_sha=story.candidate(board, working), summary="Too late.")

    assert (after.stage, after.candidate.head_sha) == (Stage.STOPPED, stopped.candidate.head_sha)
    assert board.world.code_host.branch_head(SHOP, after.workspace.branch) is None
    assert board.ana.board()[BUG]["column"] == "Backlog"
    assert sum(body.startswith("**Stopped:**") for body in said(board, BUG)) == 1


@pytest.mark.parametrize("is_webhook_first", [True, False], ids=["code host first", "board first"])
def test_merge_that_the_board_s_integration_reports_too_has_one_effect(board: Board, *, is_webhook_first: bool) -> None:
    loop = in_review(board)
    number = loop.pull_request.number
    board.ana.merge(number)
    ask_as(board, ANA, UPDATE, "GitHub", id=BUG, input={"stateId": column_id("Done")})
    merged = PullRequestMerged(
        event_id="merged", ticket_id=loop.ticket.id, at=5.0, repository=SHOP, number=number, by="ana"
    )
    if is_webhook_first:
        board.world.store.deliver(merged)
    deliver(board, BUG, "moved by the integration", INTEGRATION, "Done")
    board.world.store.deliver(merged)

    after = board.drive(BUG)

    assert after and after.stage is Stage.DONE
    assert board.ana.board()[BUG]["column"] == "Done"
    assert sum(body.startswith("**Merged.**") for body in said(board, BUG)) == 1


def test_move_to_review_by_the_board_s_integration_when_the_pull_request_opens_changes_nothing(board: Board) -> None:
    publishing = story.publishing(board)
    ask_as(board, ANA, UPDATE, "GitHub", id=BUG, input={"stateId": column_id("In Review")})

    deliver(board, BUG, "moved by the integration", INTEGRATION, "In Review")

    after = drive_again(board)
    assert (after.stage, after.generation) == (Stage.REVIEW, publishing.generation)
    assert not any(body.startswith("**Stopped:**") for body in said(board, BUG))
