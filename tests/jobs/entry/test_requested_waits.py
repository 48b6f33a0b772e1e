"""Waiting times that a provider requests, on the real drive: bounded in Redis, logged, and other tickets continue."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from integrations.errors import Unavailable
from integrations.events import TicketMoved
from integrations.waits import LONGEST_WAIT, SHORTEST_WAIT
from jobs.config.environment import parse_settings
from jobs.drive import drive
from jobs.effects import world as worlds
from jobs.effects.build import build_world
from jobs.effects.world import World
from jobs.runtime import keys
from jobs.runtime.queues import LATER, cancel_delayed_wake
from jobs.store.breaker import Breaker
from tests.integrations.endless import http, serve_raw
from tests.jobs.board import Board
from tests.jobs.story import BUG


@contextmanager
def limited(board: Board, *headers: str) -> Iterator[World]:
    """The board's world, in which the code host answers every request with 429 and these headers."""

    def play(client: socket.socket, request: bytes) -> None:
        client.sendall(http(b'{"message": "slow down"}', *headers, status="429 Too Many Requests"))

    with serve_raw(play) as url:
        world = build_world(parse_settings(board.environ | {"GITHUB_API_URL": url}), board.world.redis)
        worlds.install(world)
        yield world
        world.code_host.close()  # type: ignore[attr-defined]
        world.tracker.close()  # type: ignore[attr-defined]


WAITS = {
    "Retry-After: 1000000000": LONGEST_WAIT,
    "Retry-After: 99999999999999999999999999": LONGEST_WAIT,
    "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT": LONGEST_WAIT,
    "Retry-After: 0": SHORTEST_WAIT,
    "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT": SHORTEST_WAIT,
    "Retry-After: -7": 60.0,
    "Retry-After: nan": 60.0,
    "Retry-After: 90": 90.0,
    "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 99999999999": LONGEST_WAIT,
    "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 4102444800000": LONGEST_WAIT,
}


@pytest.mark.parametrize("header", WAITS)
def test_requested_wait_is_bounded_in_redis_and_logged(board: Board, header: str) -> None:
    ticket_id, expected = board.ticket_id(BUG), WAITS[header]
    board.ana.drag(BUG, "Agent")
    board.world.store.deliver(TicketMoved(event_id="m", ticket_id=ticket_id, at=1.0))

    with limited(board, header) as world, structlog.testing.capture_logs() as logged:
        drive(ticket_id)
        rest = world.redis.pttl(keys.retry_at(ticket_id)) / 1000
        ((_, due),) = world.redis.zrange(LATER, 0, -1, withscores=True)
        loop = world.store.load(ticket_id)
        cancel_delayed_wake(world.redis, ticket_id)

    assert 0 < rest <= expected
    assert rest > expected - 15
    assert due - time.time() == pytest.approx(rest, abs=5)
    (line,) = [line for line in logged if line["event"] == "provider unavailable, will retry"]
    assert line["wait_seconds"] == expected
    assert ("requested_seconds" in line) == (expected in {LONGEST_WAIT, SHORTEST_WAIT})
    assert loop and loop.generation == 1


@pytest.mark.parametrize("seconds", [0, -5, 1e9, 1e300, float("inf"), float("nan")])
def test_requested_wait_of_the_model_is_bounded_in_the_breaker(board: Board, seconds: float) -> None:
    breaker = Breaker(board.world.redis, clock=lambda: 1_000.0)
    breaker.record_failure("r1", Unavailable("slow down", seconds))  # type: ignore[arg-type]

    opened = breaker.look("r2")  # type: ignore[arg-type]
    assert opened and 1_000 + SHORTEST_WAIT <= opened.until <= 1_000 + LONGEST_WAIT
    assert "UTC" in opened.sentence
