"""All sessions of the connectors process, for callers in threads: one event loop, one session per server and run.

A session is not shared by runs, so that the state of a server (a browser's page, a transaction) stays within a run. It
ends after some minutes without a call, and the least recently used one when there are too many.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from integrations.connectors.http import open_http
from integrations.connectors.results import ToolAnswer, build_answer
from integrations.connectors.servers import Servers
from integrations.connectors.session import McpSession
from integrations.connectors.stdio import Host, ServerProcess, open_stdio
from integrations.connectors.tools import ListedServer, McpTool, compare_tools
from integrations.errors import IntegrationError, Rejected, Unavailable
from integrations.leaks.own import OwnSecrets
from integrations.leaks.patterns import redact_secrets
from integrations.texts import show_hidden

T = TypeVar("T")
MOST_SESSIONS = 16
OPEN_SECONDS = 60.0
IDLE_SECONDS = 300.0
_POLL_SECONDS, _CLEAN_SECONDS = 0.2, 30.0


class ToolChanged(Rejected):
    """The server does not list the tool as it was accepted."""


class Connectors:
    """The client of the servers. Thread-safe. `secrets` are the operator's by name; `open_seconds` limits start and
    handshake, because the first start of a program can be slow. Call `close`."""

    def __init__(
        self, servers: Servers, secrets: Mapping[str, str], host: Host, open_seconds: float = OPEN_SECONDS
    ) -> None:
        self.servers, self._secrets, self._host, self._open_seconds = servers, secrets, host, open_seconds
        self._sessions: dict[tuple[str, str], McpSession] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._used: dict[tuple[str, str], float] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="connectors", daemon=True)
        self._thread.start()
        self._cleaning = asyncio.run_coroutine_threadsafe(self._clean(), self._loop)

    def close(self) -> None:
        """End all sessions and the event loop."""
        self._cleaning.cancel()
        self._run(self._close_all(), lambda: False)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def list_tools(self, name: str) -> ListedServer:
        """The server's tools by a session of its own; a failure is the result's `problem`."""
        try:
            return self._run(self._list_tools(name), lambda: False)
        except IntegrationError as error:
            return ListedServer(at=time.time(), problem=self._explain(name, error))

    def call(
        self,
        name: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        run: str,
        pinned: Sequence[McpTool],
        stopped: Callable[[], bool] = lambda: False,
    ) -> ToolAnswer:
        """Call the tool in the run's session, if the server still lists it as `pinned`. Raises `Unavailable`,
        `ToolChanged`, and `Rejected` for an error of the protocol, each with a clause."""
        try:
            return self._run(self._call(name, tool, arguments, run, pinned), stopped)
        except IntegrationError as error:
            error.args = (self._explain(name, error),)
            raise

    def find_secrets(self, name: str) -> dict[str, str]:
        """The server's secrets by name."""
        return {one: self._secrets[one] for one in self.servers[name].list_secrets()}

    def _explain(self, name: str, error: IntegrationError) -> str:
        """The error's text, which can be the server's own, without secrets and hidden characters."""
        text, secrets = str(error), self.find_secrets(name).values()
        for secret in secrets:
            text = text.replace(secret, "[secret]")
        if OwnSecrets(secrets).occur_in(text.encode(errors="replace")):
            return "its error is withheld, because it contains a secret"
        return redact_secrets(show_hidden(text))

    def _run(self, work: Coroutine[Any, Any, T], stopped: Callable[[], bool]) -> T:
        if stopped():  # else a call whose asker has given up could be made before the first poll
            work.close()
            raise Unavailable("the call was stopped before it began")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return future.result(_POLL_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
                if stopped():
                    future.cancel()
                    raise Unavailable("the call was stopped before it ended") from None
            except CancelledError:
                raise Unavailable("the call was stopped before it ended") from None

    async def _list_tools(self, name: str) -> ListedServer:
        session = self._create_session(name)
        try:
            await session.open(self._open_seconds)
            return ListedServer(at=time.time(), name=session.server_name, tools=await session.list_tools())
        finally:
            await session.close()

    async def _call(
        self, name: str, tool: str, arguments: Mapping[str, Any], run: str, pinned: Sequence[McpTool]
    ) -> ToolAnswer:
        key = (name, run)
        async with self._locks.setdefault(key, asyncio.Lock()):
            session = await self._get_session(key)
            try:
                listed = await session.list_tools()
                if problem := _find_change(tool, pinned, listed):
                    raise ToolChanged(problem)
                result = await session.call(tool, arguments, self.servers[name].seconds)
            finally:
                self._used[key] = time.monotonic()
                if not session.is_open:
                    await self._close([key])
        return await asyncio.to_thread(build_answer, result, self.find_secrets(name).values())

    async def _get_session(self, key: tuple[str, str]) -> McpSession:
        if (found := self._sessions.get(key)) and found.is_open:
            return found
        await self._close([key])
        if len(self._sessions) >= MOST_SESSIONS:
            idle = [one for one in self._sessions if not self._locks[one].locked()]
            if not idle:
                raise Unavailable(f"{MOST_SESSIONS} other sessions are busy")
            await self._close([min(idle, key=lambda one: self._used[one])])
        session = self._sessions[key] = self._create_session(key[0])
        self._used[key] = time.monotonic()
        try:
            await session.open(self._open_seconds)
        except BaseException:
            await self._close([key])
            raise
        return session

    def _create_session(self, name: str) -> McpSession:
        server = self.servers[name]
        if server.url:
            return McpSession(lambda quota, on_end: open_http(server, self.find_secrets(name), quota))
        secrets = {variable: self._secrets[secret] for variable, secret in server.secrets.items()}
        process = ServerProcess(self._host, name, server, secrets)

        return McpSession(lambda quota, on_end: open_stdio(process, quota, on_end), process.explain_end)

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(_CLEAN_SECONDS)
            old = time.monotonic() - IDLE_SECONDS
            idle = [key for key in self._sessions if self._used[key] < old and not self._locks[key].locked()]
            await self._close(idle)
            for key in self._locks.keys() - self._sessions.keys():
                if not self._locks[key].locked():
                    self._locks.pop(key)

    async def _close_all(self) -> None:
        await self._close(list(self._sessions))

    async def _close(self, keys: Sequence[tuple[str, str]]) -> None:
        sessions = [self._sessions.pop(key) for key in keys if key in self._sessions]
        await asyncio.gather(*(session.close() for session in sessions))


def _find_change(tool: str, pinned: Sequence[McpTool], listed: Sequence[McpTool]) -> str:
    """Why the tool is not called, as a clause; empty if it is the accepted one."""
    match compare_tools(pinned, listed).get(tool):
        case "accepted":
            return ""
        case "changed" | "new" as state:
            return f"the server has {'changed' if state == 'changed' else 'added'} this tool, which is not accepted yet"
    return "the server has no such tool"
