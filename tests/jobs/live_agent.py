"""An agent beside the board: the real runner, sandbox and broker, with a model whose replies a test writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from integrations.ports.agent_runner import Entry
from integrations.standins.model.playbook import Answer, Playbook, play
from integrations.standins.model.request import Call
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve
from integrations.values import RunId
from jobs.advance_run import advance_run
from jobs.config.environment import parse_settings
from jobs.effects import world as worlds
from jobs.effects.answering import answer_request
from jobs.effects.build import build_world
from jobs.effects.host_tools import PERFORMERS
from jobs.runtime import keys, queues
from tests.jobs.board import Board

END = Answer("I looked at everything.")


def call(name: str, **arguments: Any) -> Call:
    return Call(name, arguments)


class Agent:
    """An agent process of the board's service."""

    def __init__(self, board: Board, url: str) -> None:
        given = board.environ | {"ANTHROPIC_API_KEY": "stand-in", "ANTHROPIC_BASE_URL": url}
        self._board, self._url = board, url
        self.world = build_world(parse_settings(given), board.world.redis)
        self.world.raise_faults = True

    def advance(self, run_id: RunId) -> list[Entry]:
        """One slice of the run, whose requests a worker answers; returns its transcript."""
        self.world.redis.delete(keys.retry_at(run_id))
        worlds.install(self.world)
        try:
            with self._serving():
                advance_run(run_id)
        finally:
            worlds.install(self._board.world)
        return [entry for _, entry in self.world.runs.transcript(run_id)]

    def count_calls(self) -> int:
        """The calls of the model so far."""
        return len(requests.get(f"{self._url}/_log", timeout=5).json())

    @contextmanager
    def _serving(self) -> Iterator[None]:
        closed = threading.Event()

        def work() -> None:
            while not closed.wait(0.01):
                for job in queues.open_queue(self.world.redis, queues.REQUESTS).jobs:
                    if job.func_name == queues.SERVE:
                        job.delete()
                        answer_request(str(job.args[0]), PERFORMERS, self._board.world, queues.SERVE)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            closed.set()
            thread.join()


@contextmanager
def open_agent(board: Board, folder: Path, calls: Sequence[Call], *, at_once: bool = False) -> Iterator[Agent]:
    """An agent whose model makes these calls, one after another or all in its first reply, and then ends its turn."""
    script = [Answer("", tuple(calls))] if at_once else [Answer("", (one,)) for one in calls]
    playbook = Playbook("test", matches=lambda _: True, answer=lambda request: play([*script, END], request))
    with serve(create_app(folder / "model", choose=lambda _: playbook)) as served:
        yield Agent(board, served.url)


def list_results(entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """The results of tools, in their order."""
    return [entry.data for entry in entries if entry.kind == "tool_result"]
