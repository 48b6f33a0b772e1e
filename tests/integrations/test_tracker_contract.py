"""The contract of the `Tracker` Protocol, run on each board in `BOARDS`.

A provider adds a module `…_boards.py` with a `Board` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from integrations.errors import NotFound, Rejected
from integrations.ports.tracker import Attachment, TicketSearch, Tracker
from integrations.values import Ticket, TicketId
from tests.integrations.trackers.board import Board, OpenBoard
from tests.integrations.trackers.boards import BOARDS

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


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


def test_viewer_is_loopline(tracker: Tracker) -> None:
    assert tracker.viewer().is_us
    assert tracker.viewer().id


# --- columns --------------------------------------------------------------------------------------------------------


def test_columns_of_the_team_pass_the_check(board: Board) -> None:
    board.tracker.check_columns(board.team, board.columns)


def test_columns_check_rejects_a_wrong_column_and_lists_the_right_ones(board: Board) -> None:
    with pytest.raises(Rejected) as caught:
        board.tracker.check_columns(board.team, [board.columns[0], "Agnt"])
    assert all(name in str(caught.value) for name in (board.team, "'Agnt'", *board.columns))


def test_columns_check_rejects_a_wrong_team_and_lists_the_right_ones(board: Board) -> None:
    with pytest.raises(Rejected, match=rf"'NOPE'.*\b{board.team}\b"):
        board.tracker.check_columns("NOPE", board.columns)


def test_move_puts_the_ticket_into_the_column(board: Board, ticket: Ticket) -> None:
    first, second = board.columns
    assert ticket.column == first
    board.tracker.move(ticket, second)
    assert board.tracker.fetch(ticket.id).column == second


def test_move_is_idempotent_and_works_from_an_outdated_ticket(board: Board, ticket: Ticket) -> None:
    for column in (board.columns[1], board.columns[1], ticket.column):
        board.tracker.move(ticket, column)
    assert board.tracker.fetch(ticket.id).column == ticket.column


def test_move_to_an_unknown_column_changes_nothing(board: Board, ticket: Ticket) -> None:
    with pytest.raises(Rejected):
        board.tracker.move(ticket, "Agnt")
    assert board.tracker.fetch(ticket.id) == ticket


def test_tickets_in_a_column_are_listed_without_description(board: Board, ticket: Ticket) -> None:
    found = {it.id: it for it in board.tracker.in_columns(board.team, [ticket.column])}
    assert found[ticket.id] == replace(ticket, description="", creator=None)
    assert ticket.id not in {it.id for it in board.tracker.in_columns(board.team, [board.columns[1]])}


def test_tickets_in_no_columns_are_none(board: Board, ticket: Ticket) -> None:
    assert list(board.tracker.in_columns(ticket.team, [])) == []


def test_tickets_are_found_by_column_label_and_text(board: Board, ticket: Ticket) -> None:
    other = board.tracker.fetch(board.new_ticket("Other"))
    label = board.new_name()
    board.tracker.add_label(ticket, label)

    def find(most: int = 10, **given: Any) -> list[str]:
        return [one.id for one in board.tracker.find_tickets(TicketSearch(team=board.team, **given), most)]

    assert find(labels=(label.upper(), "unknown")) == [ticket.id]
    assert find(labels=(label,), columns=(board.columns[1],)) == []
    assert find(labels=(label,), text="THE EXPORT") == find(labels=(label,), text="first try") == [ticket.id]
    assert find(labels=(label,), text="nothing of it") == []
    assert find(1, columns=(board.columns[0],)) == [other.id]
    with pytest.raises(Rejected, match="Agnt"):
        find(columns=("Agnt",))


# --- tickets --------------------------------------------------------------------------------------------------------


def test_ticket_has_its_fields(board: Board, ticket: Ticket) -> None:
    assert (ticket.title, ticket.description) == ("Retry the export", "It fails on the first try.")
    assert (ticket.team, ticket.labels, ticket.trashed) == (board.team, (), False)
    assert ticket.url.startswith("http")
    assert ticket.identifier.lower() in ticket.branch_name
    assert ticket.creator is None or ticket.creator.is_us, "the board creates tickets with the key of Loopline"


def test_ticket_can_be_fetched_by_identifier(tracker: Tracker, ticket: Ticket) -> None:
    assert tracker.fetch(ticket.identifier) == ticket


def test_ticket_is_read_with_its_attachments(tracker: Tracker, ticket: Ticket) -> None:
    assert tracker.fetch_with_attachments(ticket.id) == (ticket, [])
    tracker.attach(ticket.id, LINK)
    found, attachments = tracker.fetch_with_attachments(ticket.id)
    assert (found.id, attachments) == (ticket.id, [LINK])
    with pytest.raises(NotFound):
        tracker.fetch_with_attachments(UNKNOWN_ID)


def test_tickets_are_read_by_id_without_those_that_are_unknown(tracker: Tracker, ticket: Ticket) -> None:
    assert [it.id for it in tracker.fetch_many([ticket.id, TicketId(UNKNOWN_ID)])] == [ticket.id]
    assert list(tracker.fetch_many([])) == []


def test_changes_are_tickets_and_comments_of_the_team(board: Board, ticket: Ticket) -> None:
    comment_id = board.new_id()
    board.tracker.comment(ticket.id, "one", comment_id)
    since = datetime.fromisoformat(ticket.updated_at).timestamp() if ticket.updated_at else 0.0
    changes = board.tracker.changes([board.team], since)
    assert ticket.id in {it.id for it in changes.tickets}
    assert (comment_id, ticket.id) in {(it.id, it.ticket_id) for it in changes.comments}


def test_ticket_that_is_unknown_is_not_found(tracker: Tracker) -> None:
    with pytest.raises(NotFound):
        tracker.fetch(UNKNOWN_ID)


def test_ticket_that_was_deleted_is_trashed_or_not_found(board: Board, ticket: Ticket) -> None:
    board.delete_ticket(ticket.id)
    with suppress(NotFound):
        assert board.tracker.fetch(ticket.id).trashed
    assert ticket.id not in {it.id for it in board.tracker.in_columns(board.team, [ticket.column])}


def test_ticket_is_created_once(board: Board, ticket: Ticket) -> None:
    wanted, name = TicketId(board.new_id()), board.new_name()
    place = {"column": board.columns[1], "labels": (name,)}

    created = board.tracker.create_ticket(board.team, "Second part", "of two", wanted, **place)  # type: ignore[arg-type]
    again = board.tracker.create_ticket(board.team, "Second part", "changed", wanted, **place)  # type: ignore[arg-type]

    now = board.tracker.fetch(wanted)
    assert (created.id, created.title, created.description) == (wanted, "Second part", "of two")
    assert (again.description, now.column, now.labels) == ("of two", board.columns[1], (name,))
    assert now.creator is None or now.creator.is_us


def test_ticket_can_be_described_again(board: Board, ticket: Ticket) -> None:
    for _ in range(2):
        board.tracker.describe_ticket(ticket.id, "## Other text\n\n- one")
    now = board.tracker.fetch(ticket.id)
    assert (now.title, now.description) == (ticket.title, "## Other text\n\n- one")
    with pytest.raises(NotFound):
        board.tracker.describe_ticket(TicketId(UNKNOWN_ID), "lost")


def test_ticket_is_not_created_in_an_unknown_team(board: Board) -> None:
    with pytest.raises(Rejected, match=rf"'NOPE'.*\b{board.team}\b"):
        board.tracker.create_ticket("NOPE", "Lost", "", TicketId(UNKNOWN_ID))


# --- comments -------------------------------------------------------------------------------------------------------


def test_comment_is_idempotent_and_has_loopline_as_author(board: Board, ticket: Ticket) -> None:
    comment_id = board.new_id()
    for body in ("**Working** on it", "**Working** on it"):
        board.tracker.comment(ticket.id, body, comment_id)
    [comment] = board.tracker.comments(ticket.id)
    assert (comment.id, comment.ticket_id, comment.body) == (comment_id, ticket.id, "**Working** on it")
    assert comment.author == board.tracker.viewer()


def test_comments_are_sorted_oldest_first(board: Board, ticket: Ticket) -> None:
    for body in ("one", "two", "three"):
        board.tracker.comment(ticket.id, body, board.new_id())
    assert [comment.body for comment in board.tracker.comments(ticket.id)] == ["one", "two", "three"]


def test_comment_can_be_edited(board: Board, ticket: Ticket) -> None:
    comment_id = board.new_id()
    board.tracker.comment(ticket.id, "before", comment_id)
    board.tracker.edit_comment(comment_id, "after")
    assert board.tracker.fetch_comment(comment_id).body == "after"


def test_comment_can_be_a_reply_in_a_thread(board: Board, ticket: Ticket) -> None:
    root, reply, late = board.new_id(), board.new_id(), board.new_id()
    board.tracker.comment(ticket.id, "root", root)
    board.tracker.comment(ticket.id, "reply", reply, root)
    board.tracker.comment(ticket.id, "reply", reply, root)
    board.tracker.comment(ticket.id, "late", late, UNKNOWN_ID)
    threads = {comment.body: comment.parent_id for comment in board.tracker.comments(ticket.id)}
    assert threads == {"root": "", "reply": root, "late": ""}


def test_comment_that_is_unknown_is_not_found(tracker: Tracker) -> None:
    with pytest.raises(NotFound):
        tracker.fetch_comment(UNKNOWN_ID)
    with pytest.raises(NotFound):
        tracker.edit_comment(UNKNOWN_ID, "after")


def test_reaction_is_idempotent(board: Board, ticket: Ticket) -> None:
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


def test_attachment_round_trips(tracker: Tracker, ticket: Ticket) -> None:
    tracker.attach(ticket.id, LINK)
    assert list(tracker.attachments(ticket.id)) == [LINK]


def test_report_is_a_comment_and_an_attachment(board: Board, ticket: Ticket) -> None:
    comment_id, other_id = board.new_id(), board.new_id()
    for body, exists in (("one", False), ("two", False), ("three", True)):
        board.tracker.show_report(ticket.id, body, comment_id, LINK, exists=exists)
    board.tracker.show_report(ticket.id, "other", other_id, LINK, exists=True)
    assert [comment.body for comment in board.tracker.comments(ticket.id)] == ["three", "other"]
    assert list(board.tracker.attachments(ticket.id)) == [LINK]


def test_attachment_is_upserted_by_url(tracker: Tracker, ticket: Ticket) -> None:
    tracker.attach(ticket.id, LINK)
    changed = replace(LINK, title="Retry", subtitle="merged", metadata={"attempt": 2})
    for attachment in (changed, changed, replace(LINK, url="https://code.example/pull/2")):
        tracker.attach(ticket.id, attachment)
    assert {it.url: it.title for it in tracker.attachments(ticket.id)} == {
        LINK.url: "Retry",
        "https://code.example/pull/2": "Retry the export",
    }


def test_label_is_created_if_missing_and_added_once(board: Board, ticket: Ticket) -> None:
    label = board.new_name()
    for name in (label, label, label.upper()):
        board.tracker.add_label(ticket, name)
    assert board.tracker.fetch(ticket.id).labels == (label,)


def test_label_removal_is_idempotent(board: Board, ticket: Ticket) -> None:
    label, other = board.new_name(), board.new_name()
    for name in (label, other):
        board.tracker.add_label(ticket, name)
    for name in (label, label, board.new_name()):
        board.tracker.remove_label(ticket, name)
    assert board.tracker.fetch(ticket.id).labels == (other,)
