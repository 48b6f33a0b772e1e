"""A worker with settings that do not fit the tracker or the code host, on real stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from flask import Flask, redirect
from flask.typing import ResponseReturnValue

from integrations.events import TicketCommented
from integrations.standins.wire import serve
from jobs.config.environment import parse_settings
from jobs.effects import world as worlds
from jobs.effects.build import build_world
from jobs.loop.state import Stage
from jobs.runtime import keys
from jobs.store.dead_letters import GIVE_UP_AFTER, DeadLetters
from tests.jobs.board import Board
from tests.jobs.story import BUG, hand_over, said


@contextmanager
def configured(board: Board, **settings: str) -> Iterator[None]:
    """Meanwhile the worker has these settings."""
    wrong = build_world(parse_settings(board.environ | settings), board.world.redis)
    wrong.raise_faults = True
    worlds.install(wrong)
    try:
        yield
    finally:
        worlds.install(board.world)
        for part in (wrong.tracker, wrong.code_host):
            part.close()  # type: ignore[attr-defined]


@pytest.fixture(params=["page", "redirect", "missing"])
def other_site(request: pytest.FixtureRequest) -> Iterator[str]:
    """A web server that is no API."""
    app = Flask(__name__)

    @app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
    @app.route("/<path:path>", methods=["GET", "POST"])
    def answer(path: str) -> ResponseReturnValue:
        if request.param == "redirect" and path != "login":
            return redirect("/login")
        return "<html>Welcome</html>", 404 if request.param == "missing" else 200

    with closing(serve(app)) as site:
        yield site.url


def test_repository_that_does_not_exist_is_one_escalation_without_an_attempt(board: Board) -> None:
    teams = '{"ENG": {"repository": "acme/nothing"}}'
    with configured(board, LOOPLINE_TEAMS=teams):
        loop = hand_over(board, BUG)
    assert loop.escalation and (loop.stage, loop.escalation.kind) == (Stage.NEEDS_HUMAN, "infrastructure")
    assert "acme/nothing" in loop.reason and "LOOPLINE_TEAMS" in loop.reason
    assert (loop.attempt.iteration, loop.attempts) == (0, ())
    assert len([body for body in said(board, BUG) if body.startswith("**Needs you: ")]) == 1

    board.ana.say(BUG, "/retry")
    comment = board.ana.board()[BUG]["comments"][-1]["id"]
    t = board.ticket_id(BUG)
    board.world.store.deliver(TicketCommented(event_id="c", ticket_id=t, comment_id=comment))
    again = board.drive(BUG)
    assert again and again.stage is Stage.PREFLIGHT and again.attempts == ()


@pytest.mark.parametrize("setting", ["LINEAR_API_URL", "GITHUB_API_URL"])
def test_site_that_is_no_api_is_waited_for_and_named(board: Board, other_site: str, setting: str) -> None:
    hand_over(board, BUG)
    board.ana.say(BUG, "/stop")
    comment = board.ana.board()[BUG]["comments"][-1]["id"]
    t, redis = board.ticket_id(BUG), board.world.redis
    path = "/graphql" if setting == "LINEAR_API_URL" else ""
    with configured(board, **{setting: other_site + path}):
        board.world.store.deliver(TicketCommented(event_id="c", ticket_id=t, comment_id=comment))
        if setting == "GITHUB_API_URL":
            hand_over_again(board)
        for _ in range(GIVE_UP_AFTER + 1):
            redis.delete(keys.retry_at(t))
            board.drive(BUG)
        assert setting.encode() in (redis.get(keys.REFUSED_CREDENTIALS) or b"")
    assert DeadLetters(redis).all() == []
    redis.delete(keys.retry_at(t))
    loop = board.drive(BUG)
    assert loop and loop.stage in {Stage.STOPPED, Stage.PREFLIGHT, Stage.MAKING}


def hand_over_again(board: Board) -> None:
    """A stop and a retry, which reads the repository."""
    t = board.ticket_id(BUG)
    board.drive(BUG)
    board.ana.say(BUG, "/retry")
    comment = board.ana.board()[BUG]["comments"][-1]["id"]
    board.world.store.deliver(TicketCommented(event_id="again", ticket_id=t, comment_id=comment))
