"""A team or repository that Loopline loses access to, on real stand-ins: reported by a webhook, shown, and found again."""

from __future__ import annotations

import json
import time

import pytest
import requests

from integrations.ports.source import Delivery
from jobs.access import check_access
from jobs.inbox.dispatch import _deliver
from jobs.loop.state import Stage
from jobs.runtime import keys, queues
from jobs.runtime.notices import list_notices
from tests.jobs.board import READER, Board
from tests.jobs.entry.test_wrong_settings import configured
from tests.jobs.story import BUG, hand_over, moved
from tests.support.linear_payloads import payload


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
