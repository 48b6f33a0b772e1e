"""One session with an MCP server: opens it, lists and calls tools, and ends it when the server misbehaves.

All methods run on the event loop of `client`. A server that answers too late, with something else or not at all costs a
sentence: each wait has a limit, and a session that did not keep it is closed, which kills a server in the sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import mcp_types as types
from mcp import Client
from mcp.client._transport import TransportStreams
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from integrations.connectors.quota import Flooded, Quota
from integrations.connectors.tools import MOST_TOOLS, McpTool, build_tool
from integrations.errors import IntegrationError, Rejected, Unavailable
from integrations.explain import show_name

T = TypeVar("T")
OpenTransport = Callable[[Quota, Callable[[], None]], AbstractAsyncContextManager[TransportStreams]]
"""Opens the streams, with the bounds and a function to call when the server ends."""
LIST_SECONDS = 20.0
_CLOSE_SECONDS, _LAST_SECONDS, _END_SECONDS = 10.0, 0.2, 10.0
_MOST_PAGES = 20
_CLIENT = types.Implementation(name="loopline", version="1")


class McpSession:
    """A session; `explain_end` returns why the server's process has ended."""

    def __init__(
        self,
        open_transport: OpenTransport,
        explain_end: Callable[[], str] | None = None,
    ) -> None:
        self._open_transport, self._explain_end = open_transport, explain_end
        self._quota = Quota()
        self._closing = asyncio.Event()
        self._live: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self.server_name = ""

    @property
    def is_open(self) -> bool:
        """Whether it can be used for another call."""
        return (
            self._client is not None and self._live is not None and not self._live.done() and not self._closing.is_set()
        )

    async def open(self, seconds: float) -> None:
        """Start the server and shake hands. Raises `Unavailable` and `Rejected`."""
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._live = asyncio.create_task(self._run(ready))

        async def wait() -> Client:
            return await ready

        self._client = await self._bound(wait(), seconds, "it did not answer the handshake")
        info = self._client.server_info
        self.server_name = f"{info.name} {info.version}"[:200] if info else ""

    async def close(self) -> None:
        """End the session, and the server's process; waits a bounded time."""
        self._closing.set()
        if self._live is None:
            return
        done, _ = await asyncio.wait({self._live}, timeout=_CLOSE_SECONDS)
        if not done:
            self._live.cancel()
            await asyncio.wait({self._live}, timeout=_CLOSE_SECONDS)

    async def list_tools(self) -> tuple[McpTool, ...]:
        """All tools as the server lists them now. Raises `Unavailable`."""
        self._quota.renew()
        return await self._bound(self._list_tools(), LIST_SECONDS, "it did not list its tools")

    async def call(self, tool: str, arguments: Mapping[str, Any], seconds: float) -> types.CallToolResult:
        """The tool's result. Raises `Unavailable`, and `Rejected` for an error of the protocol."""
        client = self._require_client()
        self._quota.renew()
        calling = client.call_tool(tool, dict(arguments), read_timeout_seconds=seconds + 1)
        return await self._bound(calling, seconds, "it did not answer")

    async def _list_tools(self) -> tuple[McpTool, ...]:
        client = self._require_client()
        found: dict[str, McpTool] = {}
        cursor = None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            for tool in page.tools:
                hints = tool.annotations.model_dump(by_alias=True) if tool.annotations else {}
                if tool.name in found:
                    raise Unavailable(f"it lists two tools with the name {show_name(tool.name)!r}")
                found[tool.name] = build_tool(tool.name, tool.description or "", tool.input_schema, hints)
            if len(found) > MOST_TOOLS:
                raise Unavailable(f"it lists more than {MOST_TOOLS} tools")
            if (cursor := page.next_cursor) is None:
                return tuple(found.values())
        raise Unavailable(f"its list of tools has more than {_MOST_PAGES} pages")

    def _require_client(self) -> Client:
        if self._client is None:
            raise Unavailable("its session is not open")
        return self._client

    async def _run(self, ready: asyncio.Future[Client]) -> None:
        """The task in which the session's contexts are entered and left."""
        try:
            async with Client(
                _Entered(self._open_transport(self._quota, self._closing.set)), message_handler=self._note_message,
                client_info=_CLIENT, cache=None,
            ) as client:  # fmt: skip
                # The server's own schema of results is not evaluated: its patterns could keep this process busy.
                client.session.validate_tool_result = _accept_result  # type: ignore[method-assign]
                if not ready.done():
                    ready.set_result(client)
                await self._closing.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(_unwrap(error))
            elif isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self._closing.set()

    async def _note_message(self, message: object) -> None:
        try:
            self._quota.count_message()
        except Flooded:
            self._closing.set()

    async def _bound(self, work: Awaitable[T], seconds: float, late: str) -> T:
        """The result of `work`, unless the time is over or the session ends before."""
        assert self._live
        task = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({task, closing, self._live}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if closing.done() and not self._quota.problem:  # the answer can be the last thing that it sent
                await asyncio.wait({task}, timeout=_LAST_SECONDS)
            if task.done() and not task.cancelled() and not self._quota.problem:
                return task.result()
            is_late = not (task.done() or self._closing.is_set() or self._live.done())
            self._closing.set()
            if is_late:
                raise Unavailable(f"{late} within {seconds:g} s")
            raise Unavailable(
                self._quota.problem or self._quota.hint or await self._find_end() or "its session has ended"
            )
        except IntegrationError:
            raise
        except asyncio.CancelledError:  # the server still works on a call that nobody waits for
            self._closing.set()
            raise
        except Exception as error:
            raise await self._explain(error) from error
        finally:
            closing.cancel()
            task.cancel()

    async def _find_end(self) -> str:
        """Why the server's process has ended; it can take a moment until that is known."""
        deadline = asyncio.get_running_loop().time() + _END_SECONDS
        while self._explain_end and asyncio.get_running_loop().time() < deadline:
            if reason := self._explain_end():
                return reason
            await asyncio.sleep(0.05)
        return ""

    async def _explain(self, error: Exception) -> IntegrationError:
        if self._quota.problem:
            return Unavailable(self._quota.problem)
        if self._quota.hint:
            return Unavailable(self._quota.hint)
        if isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED:
            self._closing.set()
            return Unavailable(await self._find_end() or "it closed the connection")
        return _explain(error)


class _Entered(AbstractAsyncContextManager[TransportStreams]):
    """A transport for the SDK's client, which tells transports from URLs by their type."""

    def __init__(self, manager: AbstractAsyncContextManager[TransportStreams]) -> None:
        self._manager = manager

    async def __aenter__(self) -> TransportStreams:
        return await self._manager.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._manager.__aexit__(*error)


async def _accept_result(name: str, result: types.CallToolResult) -> None:
    """Replaces the SDK's check against the server's schema of results."""


def _unwrap(error: BaseException) -> Exception:
    """The first error of a group of tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else Unavailable("its session has ended")


def _explain(error: Exception) -> IntegrationError:
    """The error as a clause without the server's data, except for its own message."""
    match error:
        case IntegrationError():
            return error
        case MCPError():
            return Rejected(f"it answered: {show_name(' '.join(str(error).split()), longest=300)}")
        case ValidationError():
            return Unavailable("its answer is not valid in the protocol")
        case TimeoutError():
            return Unavailable("it did not answer in time")
    text = show_name(" ".join(str(error).split()), longest=200) if str(error) else ""
    return Unavailable(f"{type(error).__name__}{f': {text}' if text else ''}")
