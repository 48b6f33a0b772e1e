"""A board whose webhooks reach the worker when a test lets them arrive, for tests of agent sessions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from integrations.standins.linear.server import Subscription
from integrations.trackers.linear.webhooks import LinearWebhooks
from jobs.acknowledge import acknowledge
from jobs.config.settings import Settings
from jobs.inbox.dispatch import route
from jobs.loop.state import Loop
from tests.integrations.standins.receiver import Receiver
from tests.jobs.board import Board, open_board
from tests.jobs.story import BUG

SECRET = "lin_wh_of_the_tests"


@dataclass
class Live:
    """A board whose webhooks are delivered when the test lets them `arrive`."""

    board: Board
    receiver: Receiver

    def receive(self) -> None:
        """Deliver the webhooks sent so far, in order."""
        assert self.board.app.webhooks.settle()
        source = LinearWebhooks()
        for one in self.receiver.take(self.receiver.came.qsize()):
            now = one.body["webhookTimestamp"] / 1000
            for event in source.translate(source.verify(one.headers, one.raw, [SECRET], now)):
                route(self.board.world.redis, event)

    def arrive(self, identifier: str = BUG) -> Loop | None:
        """Deliver the webhooks and let the worker do its part."""
        self.receive()
        acknowledge()
        return self.board.drive(identifier)

    def session(self, identifier: str = BUG) -> Any:
        return self.board.ana.sessions(identifier)[-1]

    def activities(self, identifier: str = BUG) -> list[str]:
        """Kind and text of the session's activities, oldest first."""
        return [
            f"{one['content']['__typename'][13:-7].lower()}: {one['content'].get('body') or one['content']['action']}"
            for one in self.session(identifier)["activities"]
        ]

    def delegate(self, identifier: str = BUG) -> Loop:
        self.board.ana.delegate(identifier)
        loop = self.arrive(identifier)
        assert loop
        return loop

    def reply(self, text: str, identifier: str = BUG) -> Loop:
        self.board.ana.reply(self.session(identifier)["comment"]["id"], text)
        loop = self.arrive(identifier)
        assert loop
        return loop


@pytest.fixture
def live(tmp_path: Path, redis: Redis, settings: Settings) -> Iterator[Live]:
    receiver = Receiver()
    with open_board(tmp_path, redis, settings, [Subscription(receiver.url, SECRET)]) as board:
        yield Live(board, receiver)
    receiver.close()
