"""Digests on a board: exactly one for each slot, over crashes, clock jumps and a lost Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from integrations import failpoints
from jobs.config.environment import parse_settings
from jobs.effects.build import build_tracker
from jobs.inform import inform
from jobs.loop.state import LOOP, Stage
from jobs.messages.digest import DIGEST_TICKET_TITLE
from jobs.notify import notify
from jobs.runtime import keys
from tests.jobs.board import Board
from tests.jobs.story import BUG
from tests.loops import loop_with
from tests.support.receivers import Received, receive_http

HOUR = 3_600.0
EVENING = datetime(2026, 11, 25, 20, tzinfo=UTC).timestamp()


class Mornings:
    """A team with a digest at eight o'clock UTC, and the clock."""

    def __init__(self, board: Board, received: Received) -> None:
        self.board, self.received, self.now = board, received, EVENING
        board.world.now = lambda: self.now  # type: ignore[method-assign]
        self.set_place("both")
        inform()

    def set_place(self, to: str) -> None:
        given = self.board.environ | {
            "LOOPLINE_DIGEST": json.dumps({"ENG": {"cron": "0 8 * * *", "to": to}}),
            "LOOPLINE_NOTIFY": json.dumps({"ENG": {"digest": [f"json://127.0.0.1:{self.received.port}/x"]}}),
        }
        self.board.world.settings = parse_settings(given)

    def pass_hours(self, hours: float) -> None:
        self.now += hours * HOUR
        inform()
        inform()
        notify()

    def comments(self) -> list[str]:
        """The digests on the ticket, which there is at most one of."""
        found = [one for one in self.board.ana.board().values() if one["title"] == DIGEST_TICKET_TITLE]
        assert len(found) <= 1
        return [str(comment["body"]) for one in found for comment in one["comments"]]

    def count(self) -> tuple[int, int]:
        """Comments and notifications."""
        return len(self.comments()), len(self.received.messages)


@pytest.fixture
def mornings(board: Board) -> Iterator[Mornings]:
    with receive_http() as received:
        yield Mornings(board, received)


def await_review(board: Board, title: str = "Totals") -> None:
    """Let a ticket wait for a review since the evening."""
    ticket = replace(board.world.tracker.fetch(board.ticket_id(BUG)), title=title)
    loop = loop_with(ticket, stage=Stage.REVIEW, started_at=EVENING)
    board.world.redis.set(keys.loop(ticket.id), LOOP.encode(loop))
    board.world.redis.sadd(keys.LOOPS, ticket.id)


def test_digest_is_sent_once_for_each_morning(board: Board, mornings: Mornings) -> None:
    await_review(board)
    mornings.pass_hours(1)
    assert mornings.count() == (0, 0)
    mornings.pass_hours(11.1)
    mornings.pass_hours(1)
    assert mornings.count() == (1, 1)
    (comment,), (message,) = mornings.comments(), mornings.received.messages
    assert f"[{BUG} Totals](" in comment and "for 12 hours" in comment
    assert message["title"] == "Loopline digest of ENG: 1 waiting"
    assert f"- {BUG} Totals (" in message["message"] and "](" not in message["message"]
    mornings.pass_hours(24)
    assert mornings.count() == (2, 2)


def test_digest_without_news_is_not_sent_and_creates_no_ticket(board: Board, mornings: Mornings) -> None:
    before = set(board.ana.board())
    for _ in range(3):
        mornings.pass_hours(24)
    assert mornings.count() == (0, 0) and set(board.ana.board()) == before


def test_digest_of_missed_mornings_is_one(board: Board, mornings: Mornings) -> None:
    await_review(board)
    mornings.pass_hours(5 * 24)
    assert mornings.count() == (1, 1)


@pytest.mark.parametrize("jump", [2, 40 * 24], ids=["hours", "weeks"])
def test_digest_is_sent_once_for_a_slot_when_the_clock_jumps_and_returns(
    board: Board, mornings: Mornings, jump: float
) -> None:
    await_review(board)
    mornings.pass_hours(12.1)
    mornings.pass_hours(jump)
    sent = mornings.count()[0]
    mornings.pass_hours(-jump)
    mornings.pass_hours(0.5)
    assert mornings.count() == (sent, sent)
    mornings.pass_hours(24)
    assert mornings.count() == (sent + 1, sent + 1)


@pytest.mark.parametrize("lost", ["record", "everything"])
def test_digest_is_not_repeated_after_a_crash_or_by_an_empty_redis(board: Board, mornings: Mornings, lost: str) -> None:
    await_review(board)
    before = board.world.redis.hget(keys.DIGESTS, "ENG")
    mornings.pass_hours(12.1)
    if lost == "record":  # a crash after the messages
        board.world.redis.hset(keys.DIGESTS, "ENG", before)  # type: ignore[arg-type]
    else:
        board.world.redis.delete(keys.DIGESTS)
    mornings.pass_hours(1)
    assert mornings.count() == (1, 1)


@pytest.mark.parametrize(
    "point", ["linear.CreateTicket:done", "linear.CreateComment:done", "queue_notification.lua:done"]
)
def test_digest_is_sent_once_by_a_worker_that_crashes(board: Board, mornings: Mornings, point: str) -> None:
    await_review(board)
    failpoints.arm(f"{point}:1:raise", board.world.settings.home)
    try:
        with pytest.raises(failpoints.FailpointError):
            mornings.pass_hours(12.1)
    finally:
        failpoints.arm("", board.world.settings.home)
    mornings.pass_hours(0.1)
    assert mornings.count() == (1, 1)


def test_digest_of_a_board_that_is_unavailable_is_sent_later(board: Board, mornings: Mornings) -> None:
    await_review(board)
    tracker = board.world.tracker
    board.world._tracker = build_tracker(parse_settings(board.environ | {"LINEAR_API_URL": "http://127.0.0.1:9"}))
    mornings.pass_hours(12.1)
    assert mornings.count() == (0, 0)
    board.world._tracker = tracker
    mornings.pass_hours(1)
    assert mornings.count() == (1, 1)


def test_digest_ticket_that_was_deleted_is_replaced(board: Board, mornings: Mornings) -> None:
    mornings.set_place("ticket")
    await_review(board)
    mornings.pass_hours(12.1)
    (name,) = [name for name, one in board.ana.board().items() if one["title"] == DIGEST_TICKET_TITLE]
    board.ana.delete(name)
    mornings.pass_hours(24)
    assert mornings.count() == (1, 0)


def test_digest_shows_hostile_titles_as_inert_text(board: Board, mornings: Mornings) -> None:
    await_review(board, "@ana <!channel> ![x](https://evil.test/x.png) [y](https://evil.test)")
    mornings.pass_hours(12.1)
    for text in (mornings.comments()[0], mornings.received.messages[0]["message"]):
        for piece in ("@ana", "<!", "](https://evil", "https://evil"):
            assert piece not in text
