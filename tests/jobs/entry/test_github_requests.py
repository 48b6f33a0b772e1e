"""GitHub's requests: a whole ticket, with its checks and its merge, costs few of them."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import pytest
import requests

from integrations.events import PullRequestMerged
from jobs.loop.state import Stage
from tests.jobs.board import Board
from tests.jobs.entry.test_ci import ON_MAIN, REPOSITORY, script, without_a_quiet_period
from tests.jobs.story import BUG, in_review, say

__all__ = ["without_a_quiet_period"]
MOST_PER_TICKET = 30


@pytest.fixture
def sent(board: Board, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The requests of Loopline to the code host's API, by method and path."""
    found: Counter[str] = Counter()
    token, send = board.environ["GITHUB_TOKEN"], requests.Session.send

    def count(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if token in request.headers.get("Authorization", ""):
            path = re.sub(r"\b[0-9a-f]{40}\b|\d+", "N", str(request.path_url).split("?")[0])
            found[f"{request.method} {path}"] += 1
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", count)
    return found


def test_ticket_that_a_person_merges_costs_few_requests(board: Board, sent: Counter[str]) -> None:
    script(board, ON_MAIN, {"name": "build"})
    loop = in_review(board)
    assert loop.stage is Stage.REVIEW
    number = loop.pull_request.number
    board.ana.merge(number)
    board.world.store.deliver(
        PullRequestMerged(
            event_id="m", ticket_id=loop.ticket.id, at=time.time(), repository=REPOSITORY, number=number, by="ana"
        )
    )
    merged = board.drive(BUG)

    assert merged and merged.stage is Stage.DONE
    assert 10 < sent.total() <= MOST_PER_TICKET, sent


def test_ticket_that_is_approved_and_merged_by_commands_costs_few_requests(board: Board, sent: Counter[str]) -> None:
    script(board, ON_MAIN, {"name": "build"})
    in_review(board)
    say(board, BUG, "/approve")
    say(board, BUG, "/merge")
    merged = board.drive(BUG)

    assert merged and merged.stage is Stage.DONE
    assert sent.total() <= MOST_PER_TICKET, sent
