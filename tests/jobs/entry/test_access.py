"""A team or repository that Loopline loses access to, on real stand-ins: shown with the fix, and found again."""

from __future__ import annotations

import json

import requests

from integrations.events import TicketMoved
from jobs.__main__ import _column_problems
from jobs.access import check_access
from jobs.config.environment import parse_settings
from jobs.runtime import keys, queues
from jobs.runtime.notices import list_notices
from jobs.sweep import sweep
from tests.jobs.board import READER, Board
from tests.jobs.entry.test_wrong_settings import configured
from tests.jobs.story import BUG, hand_over


def control(board: Board, **wanted: str) -> None:
    assert requests.post(f"{board.urls['board']}/_oauth", json=wanted, timeout=10).ok


def test_access_is_checked_without_a_notice_while_nothing_is_lost(board: Board) -> None:
    check_access()
    assert list_notices(board.world.redis) == []


def test_access_to_a_repository_that_is_lost_is_shown_until_it_is_back(board: Board) -> None:
    with configured(board, GITHUB_TOKEN=READER):
        check_access()
        [notice] = list_notices(board.world.redis)
        assert "acme/tally" in notice and "contents: write" in notice
        assert board.world.redis.zscore(queues.LATER, json.dumps([queues.CHECK_ACCESS])) is not None
    check_access()
    assert list_notices(board.world.redis) == []


def test_access_to_a_team_that_is_lost_is_shown_and_its_tickets_are_kept(board: Board) -> None:
    loop = hand_over(board, BUG)
    ticket_id = loop.ticket.id
    control(board, hide="ENG", **{"from": "app-1"})
    check_access()
    [notice] = list_notices(board.world.redis)
    assert "team ENG" in notice and "give Loopline's account access to the team in Linear" in notice

    board.world.store.deliver(TicketMoved(event_id="hidden", ticket_id=ticket_id, at=9.0))
    board.drive(BUG)
    kept = board.world.store.load(ticket_id)
    assert kept and kept.stage is loop.stage
    assert board.world.store.next_event(ticket_id) is not None

    control(board, show="ENG", to="app-1")
    board.world.redis.delete(keys.retry_at(ticket_id))
    after = board.drive(BUG)
    assert after and after.stage is loop.stage and board.world.store.next_event(ticket_id) is None
    check_access()
    assert list_notices(board.world.redis) == []


def test_worker_starts_without_a_connected_workspace_and_reports_it(board: Board) -> None:
    app = {"LINEAR_API_KEY": "", "LINEAR_ACCESS_TOKEN": "", "LINEAR_CLIENT_ID": "app-1"}
    app["LINEAR_CLIENT_SECRET"] = "app-secret-1"
    assert _column_problems(parse_settings(board.environ | app), board.world.redis) == []
    with configured(board, **app):
        sweep()
    assert b"/oauth/linear/install of the dashboard" in (board.world.redis.get(keys.REFUSED_CREDENTIALS) or b"")


def test_worker_with_a_wrong_client_secret_does_not_start(board: Board) -> None:
    app = {"LINEAR_API_KEY": "", "LINEAR_ACCESS_TOKEN": "", "LINEAR_CLIENT_ID": "app-1"}
    [problem] = _column_problems(
        parse_settings(board.environ | app | {"LINEAR_CLIENT_SECRET": "wrong-secret"}), board.world.redis
    )
    assert "LINEAR_CLIENT_ID and LINEAR_CLIENT_SECRET" in problem and "wrong-secret" not in problem
