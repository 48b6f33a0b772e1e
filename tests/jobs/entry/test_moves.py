"""Moved tickets on a real board: permission, history, teams, renamed columns, duplicates, blockers."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.events import TicketEdited, TicketMoved
from integrations.standins.linear.seed import stable_id
from integrations.values import Person
from jobs.drive import drive
from jobs.effects.columns import refresh_columns
from jobs.inbox.dispatch import route
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.runtime.notices import list_notices
from jobs.sweep import sweep
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, VAGUE, hand_over, in_review, said, say

UPDATE = "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }"
RENAME = """mutation($id: String!, $input: WorkflowStateUpdateInput!) {
  workflowStateUpdate(id: $id, input: $input) { success }
}"""
ARCHIVE = "mutation($id: String!) { workflowStateArchive(id: $id) { success } }"
RELATE = "mutation($input: IssueRelationCreateInput!) { issueRelationCreate(input: $input) { success } }"
ANA, GUEST, APP, LOOPLINE = "ana", "lin_api_eve", "lin_api_bot", "loopline"


def ask_as(board: Board, token: str, query: str, bot: str | None = None, **variables: Any) -> None:
    """Send a mutation as the account of this token, or as an integration, an automation for ''."""
    known = {ANA: board.ana.linear_key, LOOPLINE: board.environ["LINEAR_API_KEY"]}
    headers = {"Authorization": known.get(token, token)}
    if bot is not None:
        headers["X-Acting-As"] = bot
    body = {"query": query, "variables": variables}
    answer = requests.post(f"{board.urls['board']}/graphql", json=body, headers=headers, timeout=20).json()
    assert not answer.get("errors"), answer


def column_id(name: str, team: str = "ENG") -> str:
    return stable_id("WorkflowState", team, name)


def drag(board: Board, token: str, identifier: str, column: str) -> None:
    ask_as(board, token, UPDATE, id=identifier, input={"stateId": column_id(column)})


def deliver(board: Board, identifier: str, name: str, by: Person | None = None, column: str = "") -> Loop | None:
    """Deliver the webhook of a move; without `by` it is one that the sweep found."""
    ticket_id = board.ticket_id(identifier)
    at = column_id(column) if column else ""
    board.world.store.deliver(TicketMoved(event_id=name, ticket_id=ticket_id, at=5.0, by=by, column_id=at))
    return board.drive(identifier)


@pytest.mark.parametrize("token", [GUEST, APP])
@pytest.mark.parametrize("known", [True, False], ids=["webhook", "found by the sweep"])
def test_card_that_is_dragged_without_permission_goes_back(board: Board, token: str, *, known: bool) -> None:
    drag(board, token, BUG, "Agent")
    email = {GUEST: "eve@acme.test", APP: "bot@acme.test"}[token]
    by = Person(id=stable_id("User", email)) if known else None

    deliver(board, BUG, "first", by, "Agent" if known else "")

    assert board.ana.board()[BUG]["column"] == "Backlog"
    assert len(said(board, BUG)) == 1 and "does not have permission" in said(board, BUG)[0]
    assert not board.world.runs.list_unfinished() and not board.ana.pull_requests()
    drag(board, token, BUG, "Agent")
    deliver(board, BUG, "second", by, "Agent" if known else "")
    assert board.ana.board()[BUG]["column"] == "Backlog" and len(said(board, BUG)) == 1
    drag(board, ANA, BUG, "Agent")
    loop = deliver(board, BUG, "third", Person(id=stable_id("User", "ana@acme.test")), "Agent")
    assert loop and loop.generation == 1


def test_late_webhook_of_another_move_does_not_count_for_the_mover(board: Board) -> None:
    drag(board, GUEST, BUG, "In Progress")
    drag(board, ANA, BUG, "Agent")

    loop = deliver(board, BUG, "late", Person(id=stable_id("User", "eve@acme.test")), "In Progress")

    assert loop and loop.generation == 1


def test_guest_who_drags_a_card_away_stops_nothing(board: Board) -> None:
    hand_over(board, BUG)
    drag(board, GUEST, BUG, "Backlog")

    loop = deliver(board, BUG, "away")

    assert loop and loop.stage is Stage.MAKING
    assert board.ana.board()[BUG]["column"] == "In Progress"


@pytest.mark.parametrize("bot", ["GitHub", ""], ids=["integration", "automation"])
@pytest.mark.parametrize("known", [True, False], ids=["webhook", "found by the sweep"])
def test_card_that_an_integration_moves_stops_nothing(board: Board, bot: str, *, known: bool) -> None:
    hand_over(board, BUG)
    ask_as(board, ANA, UPDATE, bot, id=BUG, input={"stateId": column_id("Backlog")})
    by = Person(id=stable_id("Integration", bot) if bot else "", name=bot, is_bot=True) if known else None

    loop = deliver(board, BUG, "moved", by, "Backlog" if known else "")

    assert loop and loop.stage is Stage.MAKING and board.ana.board()[BUG]["column"] == "Backlog"


def git(board: Board, *arguments: str) -> str:
    """Git in the code host's own copy of the repository."""
    (bare,) = Path(board.world.settings.home).parent.rglob("github/**/tally.git")
    who = {f"GIT_{role}_{part}": "ana@acme.test" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    command = ["git", "-C", str(bare), *arguments]
    return subprocess.run(command, env=os.environ | who, capture_output=True, text=True, check=True).stdout.strip()


def test_base_branch_that_was_renamed_is_used_under_its_new_name(board: Board) -> None:
    loop = hand_over(board, BUG)
    git(board, "branch", "-m", "main", "trunk")

    loop = in_review(board, loop)

    assert loop.stage is Stage.REVIEW, loop.reason
    (pull,) = board.ana.pull_requests().values()
    assert (loop.stage, loop.workspace.base_branch, pull["base"]["ref"]) == (Stage.REVIEW, "trunk", "trunk")


@pytest.mark.parametrize("is_taken_over", [True, False])
def test_branch_with_commits_of_a_person_is_left_when_the_ticket_is_cancelled(
    board: Board, *, is_taken_over: bool
) -> None:
    loop = in_review(board)
    branch = loop.workspace.branch
    if is_taken_over:
        say(board, BUG, "/takeover")
    foreign = git(board, "commit-tree", f"{branch}^{{tree}}", "-p", branch, "-m", "by Ana")
    git(board, "update-ref", f"refs/heads/{branch}", foreign)
    board.ana.drag(BUG, "Canceled")

    after = deliver(board, BUG, "cancelled")

    assert after and after.stage is Stage.DONE
    assert board.world.code_host.branch_head("acme/tally", branch) == foreign
    assert any("left" in body and branch in body for body in said(board, BUG))


def test_ticket_that_moves_to_a_team_that_is_not_served_is_left_alone(board: Board) -> None:
    loop = hand_over(board, BUG)
    ticket_id = loop.ticket.id
    ask_as(board, ANA, UPDATE, id=BUG, input={"teamId": stable_id("Team", "OPS")})

    board.world.store.deliver(TicketMoved(event_id="away", ticket_id=ticket_id, at=5.0))
    drive(ticket_id)

    after = board.world.store.load(ticket_id)
    assert after and after.stage is Stage.STOPPED and after.identifier == "OPS-1"
    now = board.world.tracker.fetch(ticket_id)
    assert (now.column, now.labels) == ("In Progress", ())
    bodies = [comment.body for comment in board.world.tracker.comments(ticket_id)]
    assert sum("which Loopline does not serve. The branch and worktree are kept" in body for body in bodies) == 1


def test_renamed_column_keeps_its_role_and_is_reported_once(board: Board) -> None:
    refresh_columns("ENG", board.world)
    loop = in_review(board)
    ask_as(board, ANA, RENAME, id=column_id("In Review"), input={"name": "Code Review"})

    moved = deliver(board, BUG, "after the rename")
    board.world.redis.delete(keys.COLUMNS_FRESH)
    sweep()
    after = board.drive(BUG)

    assert moved and after and after.stage is Stage.REVIEW and after.generation == loop.generation
    (notice,) = list_notices(board.world.redis)
    assert "'In Review' is now 'Code Review'" in notice and '"review": "Code Review"' in notice


def test_archived_column_is_reported_and_the_team_goes_on(board: Board) -> None:
    refresh_columns("ENG", board.world)
    ask_as(board, ANA, ARCHIVE, id=column_id("Needs Human"))
    board.world.redis.delete(keys.COLUMNS_FRESH)
    board.ana.drag(BUG, "Agent")

    sweep()

    loop = board.drive(BUG)
    assert loop and loop.stage is Stage.PREFLIGHT
    (notice,) = list_notices(board.world.redis)
    assert "'Needs Human' is not on the board" in notice and "In Progress" in notice


@pytest.mark.parametrize("webhook_first", [True, False])
def test_merged_ticket_that_the_team_moved_further_is_left_there(board: Board, *, webhook_first: bool) -> None:
    loop = in_review(board)
    ask_as(board, ANA, RENAME, id=column_id("Canceled"), input={"name": "Ready for QA"})
    (number,) = [pull["number"] for pull in board.ana.pull_requests().values()]
    board.ana.merge(number)
    drag(board, ANA, BUG, "Canceled")

    after = deliver(board, BUG, "qa") if webhook_first else None
    if not webhook_first:
        sweep()
        after = board.drive(BUG)

    assert after and after.stage is Stage.DONE and after.generation == loop.generation
    assert board.ana.board()[BUG]["column"] == "Ready for QA"
    assert not any("**Stopped" in body for body in said(board, BUG))


@pytest.mark.parametrize("missed", [True, False], ids=["found by the sweep", "webhook"])
def test_blocked_ticket_wakes_when_its_blocker_is_done(board: Board, *, missed: bool) -> None:
    ask_as(board, ANA, RELATE, input={"issueId": FEATURE, "relatedIssueId": BUG, "type": "blocks"})
    board.ana.drag(BUG, "Agent")
    loop = deliver(board, BUG, "hand-over")
    assert loop and loop.stage is Stage.WAITING and any("Waits for ENG-2" in body for body in said(board, BUG))

    board.ana.drag(FEATURE, "Done")
    if missed:
        sweep()
    else:
        route(board.world.redis, TicketMoved(event_id="done", ticket_id=board.ticket_id(FEATURE), at=9.0))

    after = board.drive(BUG)
    assert after and after.stage is Stage.PREFLIGHT


def test_tickets_that_block_each_other_are_a_call_with_the_chain(board: Board) -> None:
    for one, other in ((BUG, FEATURE), (FEATURE, VAGUE), (VAGUE, BUG)):
        ask_as(board, ANA, RELATE, input={"issueId": one, "relatedIssueId": other, "type": "blocks"})
    board.ana.drag(BUG, "Agent")

    loop = deliver(board, BUG, "hand-over")

    assert loop and loop.stage is Stage.NEEDS_HUMAN
    assert "ENG-1 → ENG-3 → ENG-2 → ENG-1" in loop.reason


def test_duplicate_closes_the_pull_request_and_deletes_the_branch(board: Board) -> None:
    loop = in_review(board)
    ask_as(board, ANA, RELATE, input={"issueId": BUG, "relatedIssueId": FEATURE, "type": "duplicate"})
    drag(board, ANA, BUG, "Canceled")

    after = deliver(board, BUG, "duplicate")

    (pull,) = board.ana.pull_requests().values()
    assert after and after.stage is Stage.DONE and pull["state"] == "closed"
    assert board.world.code_host.branch_head("acme/tally", loop.workspace.branch) is None


def test_changed_priority_of_a_waiting_ticket_changes_its_place(board: Board) -> None:
    first, second = hand_over(board, BUG), hand_over(board, FEATURE)
    assert board.world.runs.list_waiting() == [first.run_id, second.run_id]

    ask_as(board, ANA, UPDATE, id=FEATURE, input={"priority": 1})
    event = TicketEdited(event_id="p", ticket_id=second.ticket.id, order_only=True)
    board.world.store.deliver(event)
    after = board.drive(FEATURE)

    assert after and after.ticket.priority == 1
    assert board.world.runs.list_waiting() == [second.run_id, first.run_id]


def test_starters_of_the_settings_apply_to_moves(board: Board) -> None:
    board.world.policy = replace(board.world.policy, starters=("boss@acme.test",))
    board.ana.drag(BUG, "Agent")

    deliver(board, BUG, "first")

    assert board.ana.board()[BUG]["column"] == "Backlog"
