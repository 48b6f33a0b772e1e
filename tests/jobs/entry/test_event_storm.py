"""More events of one ticket than a job can decide: other tickets continue, and equal hints cost one read."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from integrations.events import EVENT, Event, TicketCommented, TicketEdited, TicketMoved
from jobs import mailbox_driver
from jobs.drive import drive
from jobs.loop.state import Stage
from jobs.mailbox_driver import SLICE_STEPS
from jobs.runtime import keys, queues
from jobs.runtime.queues import EVENTS, open_queue
from jobs.store import mailboxes
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, VAGUE, hand_over


def queued(board: Board) -> list[str]:
    return [str(job.args[0]) for job in open_queue(board.world.redis, EVENTS).get_jobs()]


def pending(board: Board, identifier: str) -> int:
    return int(board.world.redis.llen(keys.mailbox(board.ticket_id(identifier))))


@pytest.fixture
def reads(board: Board, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tickets that were read from the board, in order."""
    found: list[str] = []
    fetch_move = board.world.tracker.fetch_move

    def count(ticket_id: Any, *place: Any) -> Any:
        found.append(str(ticket_id))
        return fetch_move(ticket_id, *place)

    monkeypatch.setattr(board.world.tracker, "fetch_move", count)
    return found


def test_busy_ticket_yields_to_another_one(board: Board) -> None:
    busy, other = board.ticket_id(VAGUE), board.ticket_id(BUG)
    hand_over(board, VAGUE)
    for n in range(3 * SLICE_STEPS):
        board.world.store.deliver(TicketCommented(event_id=f"c{n}", ticket_id=busy, comment_id=f"gone-{n}"))
    board.ana.drag(BUG, "Agent")
    board.world.store.deliver(TicketMoved(event_id="m", ticket_id=other, at=1.0))
    queues.wake_ticket(board.world.redis, busy)
    queues.wake_ticket(board.world.redis, other)

    drive(busy)

    assert pending(board, VAGUE) == 2 * SLICE_STEPS
    assert queued(board) == [busy, other, busy]
    drive(other)
    loop = board.world.store.load(other)
    assert loop and loop.stage is Stage.PREFLIGHT


def test_busy_ticket_yields_after_seconds_too(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over(board, VAGUE)
    ticket_id = board.ticket_id(VAGUE)
    for n in range(5):
        board.world.store.deliver(TicketCommented(event_id=f"c{n}", ticket_id=ticket_id, comment_id=f"gone-{n}"))
    monkeypatch.setattr(mailbox_driver, "SLICE_SECONDS", 0.0)

    drive(ticket_id)

    assert pending(board, VAGUE) == 4
    assert queued(board) == [ticket_id]
    for _ in range(4):
        queues.clear_wake_flag(board.world.redis, queues.DRIVE, ticket_id)
        drive(ticket_id)
    assert pending(board, VAGUE) == 0


@pytest.mark.parametrize("kind", [TicketMoved, pytest.param(TicketEdited, marks=pytest.mark.long)])
def test_ten_thousand_equal_hints_read_the_ticket_a_few_times(board: Board, reads: list[str], kind: type) -> None:
    loop = hand_over(board, BUG)
    for n in range(10_000):
        board.world.store.deliver(kind(event_id=f"storm-{n}", ticket_id=loop.ticket.id, at=1.0))
    reads.clear()

    began = time.monotonic()
    while pending(board, BUG):
        drive(loop.ticket.id)

    assert 1 <= len(reads) <= 10_000 / 1_000 + 2
    assert time.monotonic() - began < 10
    after = board.world.store.load(loop.ticket.id)
    assert after and (after.stage, after.generation) == (loop.stage, loop.generation)


def test_equal_hints_around_a_comment_are_both_read(board: Board, reads: list[str]) -> None:
    loop = hand_over(board, BUG)
    t = loop.ticket.id
    events: list[Event] = [
        TicketMoved(event_id="a", ticket_id=t, at=1.0),
        TicketMoved(event_id="b", ticket_id=t, at=1.0),
        TicketCommented(event_id="c", ticket_id=t, comment_id="gone"),
        TicketMoved(event_id="d", ticket_id=t, at=1.0),
        TicketEdited(event_id="e", ticket_id=t, at=1.0),
    ]
    for event in events:
        board.world.store.deliver(event)
    reads.clear()

    board.drive(BUG)

    assert len(reads) == 3


def test_move_that_arrives_after_the_read_is_read_again(board: Board) -> None:
    loop = hand_over(board, BUG)
    for n in range(3):
        board.world.store.deliver(TicketMoved(event_id=f"m{n}", ticket_id=loop.ticket.id, at=1.0))
    board.drive(BUG)
    board.ana.drag(BUG, "Backlog")
    board.world.store.deliver(TicketMoved(event_id="m9", ticket_id=loop.ticket.id, at=2.0))

    after = board.drive(BUG)

    assert after and after.stage is Stage.STOPPED


def test_mailbox_that_is_full_takes_no_further_event(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "MAILBOX_LIMIT", 3)
    store, ticket_id = board.world.store, board.ticket_id(FEATURE)
    events = [TicketMoved(event_id=f"m{n}", ticket_id=ticket_id, at=1.0) for n in range(4)]

    assert [store.deliver(event) for event in events] == [True, True, True, False]
    assert EVENT.decode(store.next_event(ticket_id) or b"") == events[0]

    board.drive(FEATURE)
    assert store.deliver(events[3])  # it was not marked as known


def test_storm_while_the_ticket_is_driven_loses_nothing(board: Board) -> None:
    loop = hand_over(board, BUG)

    def storm() -> None:
        for n in range(500):
            board.world.store.deliver(TicketMoved(event_id=f"s{n}", ticket_id=loop.ticket.id, at=1.0))

    thread = threading.Thread(target=storm)
    thread.start()
    while thread.is_alive() or pending(board, BUG):
        drive(loop.ticket.id)
    thread.join()

    assert pending(board, BUG) == 0
    assert board.world.redis.scard(keys.known_events(loop.ticket.id)) >= 500
