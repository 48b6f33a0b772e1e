"""An MCP server in a thread of the test, with a worker in another one, the board's stand-in, and real MCP clients."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from redis import Redis
from rq.job import Job

from jobs.config.settings import Settings
from jobs.runtime.queues import AUTOMATE, EVENTS, FIRST, open_queue
from jobs.store.access_tokens import AccessTokens
from service.mcp.calls import Calls
from service.mcp.connections import DeadlineProtocol
from service.mcp.server import build_app, configure_server
from tests.jobs.board import Board, board
from tests.service.conftest import free_port, until

__all__ = ["board", "desk"]

T = TypeVar("T")
ANA, EVE = "ana@acme.test", "eve@acme.test"
"""A member of the board's stand-in, and a guest."""


class QuickProtocol(DeadlineProtocol):
    """With short deadlines and few connections."""

    read_seconds, work_seconds, most_connections = 1.0, 5.0, 40


@dataclass
class Desk:
    """A running server. `call` calls one tool as the owner of a token."""

    port: int
    redis: Redis
    board: Board

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def token(self, email: str = ANA, seconds: float = 3_600) -> str:
        return AccessTokens(self.redis).create(email, time.time(), seconds)[1]

    def call(self, token: str, tool: str, **arguments: Any) -> Any:
        """The structured result of a tool that succeeds."""
        result = self.send(token, tool, arguments)
        assert not result.is_error, result.content
        return result.structured_content

    def refusal(self, token: str, tool: str, **arguments: Any) -> str:
        """The sentence of a tool that fails."""
        result = self.send(token, tool, arguments)
        assert result.is_error, result.structured_content
        return "".join(one.text for one in result.content if one.type == "text")

    def send(self, token: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """The result of a tool, while a worker works."""
        with working(self.redis):
            return finish(call_tool(self.url, token, tool, arguments))

    def comments(self, identifier: str) -> list[str]:
        """The texts of the ticket's comments without Loopline's report, oldest first."""
        return [str(one["body"]) for one in self.board.ana.board()[identifier]["comments"]]


def finish(work: Coroutine[Any, Any, T]) -> T:
    """The result of asynchronous work, in a thread: that of the test can have a loop, of a browser."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def call_tool(url: str, token: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Call one tool as a client of this token."""
    async with open_client(url, token) as client:
        return await client.call_tool(tool, arguments)


@asynccontextmanager
async def open_client(url: str, token: str) -> AsyncIterator[Client]:
    """A client with this token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


@contextmanager
def working(redis: Redis) -> Iterator[None]:
    """A worker's jobs in a thread, without those of automations."""
    stop, queues = threading.Event(), [open_queue(redis, name) for name in (FIRST, EVENTS)]

    def work() -> None:
        while not stop.wait(0.01):
            for queue in queues:
                while queue.count:
                    job = Job.fetch(str(queue.pop_job_id()), connection=redis, serializer="json")
                    if job.func_name != AUTOMATE:
                        job.func(*job.args)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def serving(settings: Settings, redis: Redis, patience: float = 20.0) -> Iterator[int]:
    """The application under uvicorn in a thread; yields its port. `patience` is how long it waits for a worker."""
    port = free_port()
    config = configure_server(build_app(settings, redis, Calls(redis, patience, patience)), "127.0.0.1", port)
    config.http = QuickProtocol
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="mcp")
    thread.start()
    try:
        until(lambda: server.started)
        yield port
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def desk(board: Board, redis: Redis, tmp_path: Path) -> Iterator[Desk]:
    with serving(board.world.settings, redis) as port:
        yield Desk(port, redis, board)
