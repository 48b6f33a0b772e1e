"""Emoji on our comments: whose count is looked up on the board, and nothing else reaches the rules."""

from __future__ import annotations

import uuid

import pytest

from integrations.events import TicketReacted
from integrations.values import Person
from jobs.effects.gather import gather
from tests.jobs.board import Board
from tests.jobs.story import BUG


@pytest.fixture
def ours(board: Board) -> str:
    """A comment of ours on the ticket; its id."""
    comment_id = str(uuid.uuid4())
    board.world.tracker.comment(board.ticket_id(BUG), "**Needs you**", comment_id)
    return comment_id


def reacted(board: Board, comment_id: str, emoji: str = "+1", who: str = "") -> TicketReacted:
    """The event as in the webhook's payload; by Ana by default."""
    who = who or next(c.author.id for c in board.world.tracker.comments(board.ticket_id(BUG)) if not c.author.is_us)
    author = Person(id=who)
    return TicketReacted(
        event_id="e", ticket_id=board.ticket_id(BUG), comment_id=comment_id, emoji=emoji, author=author
    )


@pytest.fixture
def anas(board: Board) -> str:
    """A comment of Ana's; its id."""
    board.ana.say(BUG, "hello")
    return str(board.ana.board()[BUG]["comments"][-1]["id"])


def test_reaction_on_looplines_comment_counts_with_the_persons_permission(board: Board, ours: str, anas: str) -> None:
    board.ana.react(ours)
    now = gather(reacted(board, ours), board.world)
    assert isinstance(now, TicketReacted) and now.author
    assert (now.comment_id, now.emoji, now.author.name, now.author.may_steer) == (ours, "+1", "Ana Flores", True)


def test_reaction_that_the_board_does_not_show_is_ignored(board: Board, ours: str, anas: str) -> None:
    board.ana.react(ours, "eyes")
    assert gather(reacted(board, ours, "+1"), board.world) is None


def test_reaction_of_another_person_does_not_count_for_the_sender(board: Board, ours: str) -> None:
    board.ana.react(ours)
    assert gather(reacted(board, ours, who=str(uuid.uuid4())), board.world) is None


def test_reaction_on_a_persons_comment_is_ignored(board: Board, anas: str) -> None:
    board.ana.react(anas)
    assert gather(reacted(board, anas), board.world) is None


def test_reaction_by_loopline_is_ignored(board: Board, ours: str) -> None:
    us = board.world.tracker.viewer().id
    board.world.tracker.react(ours, "eyes", str(uuid.uuid4()))
    assert gather(reacted(board, ours, "eyes", us), board.world) is None


def test_reaction_on_a_deleted_comment_is_ignored(board: Board, anas: str) -> None:
    assert gather(reacted(board, str(uuid.uuid4())), board.world) is None
