"""A permission that is missing for one thing is an escalation of that ticket, on real stand-ins."""

from __future__ import annotations

from jobs.loop.state import Stage
from jobs.runtime import keys
from tests.jobs.board import READER, Board
from tests.jobs.entry.test_wrong_settings import configured
from tests.jobs.story import BUG, FEATURE, checking, finish, hand_over, said, verdict


def test_push_permission_is_checked_before_the_first_model_call(board: Board) -> None:
    with configured(board, GITHUB_TOKEN=READER):
        loop = hand_over(board, BUG)
    assert loop.escalation and (loop.stage, loop.escalation.kind) == (Stage.NEEDS_HUMAN, "credentials")
    assert "contents: write" in loop.reason and "acme/tally" in loop.reason
    assert board.world.runs.list_runs(loop.ticket.id) == []
    assert board.world.redis.get(keys.REFUSED_CREDENTIALS) is None
    assert hand_over(board, FEATURE).stage is not Stage.NEEDS_HUMAN


def test_push_refused_for_a_permission_escalates_with_its_name(board: Board) -> None:
    loop = checking(board)
    with configured(board, GITHUB_TOKEN=READER):
        loop = finish(board, loop, verdict=verdict(loop))
    assert loop.escalation and (loop.stage, loop.escalation.kind) == (Stage.NEEDS_HUMAN, "credentials")
    comment = said(board, BUG)[-1]
    for part in ("Needs you: invalid credentials or a missing permission", "contents: write", "acme/tally", "/retry"):
        assert part in comment
    assert board.world.redis.get(keys.REFUSED_CREDENTIALS) is None


def test_push_with_a_revoked_token_waits_and_raises_the_alarm(board: Board) -> None:
    loop = checking(board)
    with configured(board, GITHUB_TOKEN="ghp_revoked"):
        loop = finish(board, loop, verdict=verdict(loop))
        assert loop.stage is Stage.PUBLISHING
        assert b"GITHUB_TOKEN" in (board.world.redis.get(keys.REFUSED_CREDENTIALS) or b"")
