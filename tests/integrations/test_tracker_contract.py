"""What every tracker must do, whatever it is: written against the `Tracker` Protocol, run on each board in `BOARDS`.

A provider joins by adding a `Board` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from integrations.errors import NotFound, Rejected
from integrations.ports.tracker import Attachment, Tracker
from integrations.values import Ticket
from tests.integrations.trackers.board import Board
from tests.integrations.trackers.linear_boards import BOARDS, OpenBoard

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module", params=BOARDS)
def open_board(request: pytest.FixtureRequest) -> Iterator[OpenBoard]:
    with BOARDS[request.param]() as open_board:
        yield open_board


@pytest.fixture
def board(open_board: OpenBoard, request: pytest.FixtureRequest) -> Iterator[Board]:
    with open_board(request.node.originalname) as board:
        yield board


@pytest.fixture
def tracker(board: Board) -> Tracker:
    return board.tracker


@pytest.fixture
def ticket(board: Board) -> Ticket:
    """A new ticket in the board's first column."""
    return board.tracker.fetch(board.new_ticket("Retry the export", "It fails on the first try."))


def test_the_viewer_is_us(tracker: Tracker) -> None:
    assert tracker.viewer().is_us
    assert tracker.viewer().id


# --- columns --------------------------------------------------------------------------------------------------------


def test_the_teams_own_columns_pass(board: Board) -> None:
    board.tracker.check_columns(board.team, board.columns)


def test_a_wrong_column_is_rejected_with_the_right_ones(board: Board) -> None:
    with pytest.raises(Rejected) as caught:
        board.tracker.check_columns(board.team, [board.columns[0], "Agnt"])
    assert all(word in str(caught.value) for word in (board.team, "'Agnt'", *board.columns))


def test_a_wrong_team_is_rejected_with_the_right_ones(board: Board) -> None:
    with pytest.raises(Rejected, match=rf"'NOPE'.*\b{board.team}\b"):
        board.tracker.check_columns("NOPE", board.columns)


def test_a_moved_ticket_is_in_its_new_column(board: Board, ticket: Ticket) -> None:
    first, second = board.columns
    assert ticket.column == first
    board.tracker.move(ticket, second)
    assert board.tracker.fetch(ticket.id).column == second


def test_moving_twice_is_moving_once_and_back_works_from_an_old_copy(board: Board, ticket: Ticket) -> None:
    for column in (board.columns[1], board.columns[1], ticket.column):
        board.tracker.move(ticket, column)
    assert board.tracker.fetch(ticket.id).column == ticket.column


def test_a_column_that_does_not_exist_moves_nothing(board: Board, ticket: Ticket) -> None:
    with pytest.raises(Rejected):
        board.tracker.move(ticket, "Agnt")
    assert board.tracker.fetch(ticket.id) == ticket


def test_tickets_are_found_by_column_without_their_description(board: Board, ticket: Ticket) -> None:
    found = {it.id: it for it in board.tracker.in_columns(board.team, [ticket.column])}
    assert found[ticket.id] == ticket.model_copy(update={"description": ""})
    assert ticket.id not in {it.id for it in board.tracker.in_columns(board.team, [board.columns[1]])}


def test_no_columns_hold_no_tickets(board: Board, ticket: Ticket) -> None:
    assert list(board.tracker.in_columns(ticket.team, [])) == []


# --- tickets --------------------------------------------------------------------------------------------------------


def test_a_ticket_says_what_it_is(board: Board, ticket: Ticket) -> None:
    assert (ticket.title, ticket.description) == ("Retry the export", "It fails on the first try.")
    assert (ticket.team, ticket.labels, ticket.trashed) == (board.team, (), False)
    assert ticket.url.startswith("http")
    assert ticket.identifier.lower() in ticket.branch_name


def test_a_ticket_is_found_by_its_identifier(tracker: Tracker, ticket: Ticket) -> None:
    assert tracker.fetch(ticket.identifier) == ticket


def test_an_unknown_ticket_is_not_found(tracker: Tracker) -> None:
    with pytest.raises(NotFound):
        tracker.fetch(NOBODY)


def test_a_deleted_ticket_is_trashed_or_gone(board: Board, ticket: Ticket) -> None:
    board.delete_ticket(ticket.id)
    with suppress(NotFound):
        assert board.tracker.fetch(ticket.id).trashed
    assert ticket.id not in {it.id for it in board.tracker.in_columns(board.team, [ticket.column])}


# --- comments -------------------------------------------------------------------------------------------------------


def test_a_comment_sent_twice_is_there_once_and_ours(board: Board, ticket: Ticket) -> None:
    comment_id = board.new_id()
    for body in ("**Working** on it", "**Working** on it"):
        board.tracker.comment(ticket.id, body, comment_id)
    [comment] = board.tracker.comments(ticket.id)
    assert (comment.id, comment.ticket_id, comment.body) == (comment_id, ticket.id, "**Working** on it")
    assert comment.author == board.tracker.viewer()


def test_comments_come_oldest_first(board: Board, ticket: Ticket) -> None:
    for body in ("one", "two", "three"):
        board.tracker.comment(ticket.id, body, board.new_id())
    assert [comment.body for comment in board.tracker.comments(ticket.id)] == ["one", "two", "three"]


def test_an_edited_comment_has_its_new_words(board: Board, ticket: Ticket) -> None:
    comment_id = board.new_id()
    board.tracker.comment(ticket.id, "before", comment_id)
    board.tracker.edit_comment(comment_id, "after")
    assert board.tracker.fetch_comment(comment_id).body == "after"


def test_an_unknown_comment_is_not_found(tracker: Tracker) -> None:
    with pytest.raises(NotFound):
        tracker.fetch_comment(NOBODY)
    with pytest.raises(NotFound):
        tracker.edit_comment(NOBODY, "after")


def test_a_second_reaction_of_a_kind_is_success(board: Board, ticket: Ticket) -> None:
    comment_id, reaction_id = board.new_id(), board.new_id()
    board.tracker.comment(ticket.id, "look", comment_id)
    for identifier in (reaction_id, reaction_id, board.new_id()):
        board.tracker.react(comment_id, "eyes", identifier)
    [reaction] = board.tracker.fetch_comment(comment_id).reactions
    assert (reaction.id, reaction.emoji, reaction.author) == (reaction_id, "eyes", board.tracker.viewer())
    [comment] = board.tracker.comments(ticket.id)
    assert comment.reactions == (reaction,)


# --- attachments and labels -----------------------------------------------------------------------------------------

LINK = Attachment("https://code.example/pull/1", "Retry the export", "open", {"head": "abc", "attempt": 1, "usd": 0.5})


def test_an_attachment_comes_back_as_it_was(tracker: Tracker, ticket: Ticket) -> None:
    tracker.attach(ticket.id, LINK)
    assert list(tracker.attachments(ticket.id)) == [LINK]


def test_an_attachment_with_the_same_url_is_replaced(tracker: Tracker, ticket: Ticket) -> None:
    tracker.attach(ticket.id, LINK)
    changed = replace(LINK, title="Retry", subtitle="merged", metadata={"attempt": 2})
    for attachment in (changed, changed, replace(LINK, url="https://code.example/pull/2")):
        tracker.attach(ticket.id, attachment)
    assert {it.url: it.title for it in tracker.attachments(ticket.id)} == {
        LINK.url: "Retry",
        "https://code.example/pull/2": "Retry the export",
    }


def test_a_label_is_made_when_it_is_missing_and_added_once(board: Board, ticket: Ticket) -> None:
    label = board.new_name()
    for name in (label, label, label.upper()):
        board.tracker.add_label(ticket, name)
    assert board.tracker.fetch(ticket.id).labels == (label,)


def test_a_label_that_is_gone_can_be_removed_again(board: Board, ticket: Ticket) -> None:
    label, other = board.new_name(), board.new_name()
    for name in (label, other):
        board.tracker.add_label(ticket, name)
    for name in (label, label, board.new_name()):
        board.tracker.remove_label(ticket, name)
    assert board.tracker.fetch(ticket.id).labels == (other,)
