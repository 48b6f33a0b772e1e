"""One gateway of the egress proxy: serves the connections of one command under its policy. Called by `server`.

Every decision is logged with run, command and host. A gateway keeps what the ticket needs to know: hosts that the
policy does not name, and sentences about other failures.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import structlog

from integrations.egress.client_hello import (
    ACCESS_DENIED,
    LONGEST,
    NotTls,
    find_name_problem,
    parse_client_hello,
)
from integrations.egress.dial import Dialer, DialError, Streams
from integrations.egress.hosts import matches
from integrations.egress.policy import MEGABYTE, EgressLimits, EgressPolicy, EgressReport
from integrations.egress.request import Refusal, Request, format_refusal, parse_request

MOST_HOSTS, MOST_PROBLEMS, MOST_LOGGED = 100, 20, 1_000
OTHER_HOSTS = "other hosts"
_CHUNK = 2**16
_CLOSE_SECONDS = 5.0
_log = structlog.get_logger(__name__)


def _close(writer: asyncio.StreamWriter) -> None:
    """Close a client's connection, also one that does not read the rest."""
    writer.close()
    asyncio.get_running_loop().call_later(_CLOSE_SECONDS, writer.transport.abort)


class _Ended(Exception):
    """The connection ends; the message is the reason for the report, empty for none."""


class Gateway:
    """Connections of one command. Every method runs on the event loop of the proxy."""

    def __init__(self, policy: EgressPolicy, limits: EgressLimits, dialer: Dialer) -> None:
        self._policy, self._limits, self._dialer = policy, limits, dialer
        self._blocked: Counter[str] = Counter()
        self._problems: dict[str, None] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._served = self._logged = self._uploaded = self._downloaded = 0

    def report(self) -> EgressReport:
        """What was not permitted or failed until now."""
        return EgressReport(dict(self._blocked), tuple(self._problems))

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection in a task; a callback of the listening socket."""
        if len(self._connections) >= self._limits.connections:
            limit = f"more than {self._limits.connections} connections at once (LOOPLINE_EGRESS_CONNECTIONS)"
            self._refuse(writer, Refusal(limit, status=503))
            _close(writer)
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """End all connections, and log the totals."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        totals = {"connections": self._served, "uploaded": self._uploaded, "downloaded": self._downloaded}
        _log.info("egress gateway closed", **self._names(), **totals, blocked=dict(self._blocked))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._served += 1
        opened = [writer]
        try:
            async with asyncio.timeout(self._limits.connection):
                await self._handle(reader, writer, opened)
        except _Ended as ended:
            self._note_problem(str(ended))
        except (OSError, TimeoutError):  # of either side
            pass
        finally:
            for one in opened[1:]:
                one.transport.abort()
            _close(writer)

    async def _handle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: list[asyncio.StreamWriter]
    ) -> None:
        request = await self._read_request(reader)
        if isinstance(request, Refusal):
            self._refuse(writer, request)
            return
        if not matches(request.host, self._policy.hosts):
            self._block(request.host)
            self._respond(writer, Refusal("the policy does not name this host", request.host))
            return
        try:
            server = await self._dial(request)
        except DialError as error:
            self._refuse(writer, Refusal(str(error), request.host, 403 if error.is_refusal else 502))
            return
        opened.append(server[1])
        if request.is_tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            hello = await self._read_hello(reader, request, writer)
            self._count(len(hello), 0)
            server[1].write(hello)
        if self._has_log_left():
            _log.info("egress allowed", host=request.host, port=request.port, **self._names())
        await self._relay((reader, writer), server, upload=request.is_tunnel)

    async def _read_request(self, reader: asyncio.StreamReader) -> Request | Refusal:
        try:
            async with asyncio.timeout(self._limits.head):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            return Refusal(f"the request did not arrive within {self._limits.head:.0f} s", status=408)
        except asyncio.LimitOverrunError:
            return Refusal("the head of the request is too large", status=431)
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise _Ended from None  # a client that tests whether the port is open
            return Refusal("the request has no end", status=400)
        self._count(len(head), 0)
        return parse_request(head)

    async def _dial(self, request: Request) -> Streams:
        try:
            async with asyncio.timeout(self._limits.dial):
                return await self._dialer.open(request)
        except TimeoutError:
            raise DialError(f"it does not answer within {self._limits.dial:.0f} s") from None

    async def _read_hello(self, reader: asyncio.StreamReader, request: Request, writer: asyncio.StreamWriter) -> bytes:
        """The bytes of the client's first TLS message, whose server name is the request's host."""
        data = b""
        try:
            async with asyncio.timeout(self._limits.head):
                while (hello := parse_client_hello(data)) is None:
                    chunk = await reader.read(_CHUNK) if len(data) <= LONGEST else b""
                    if not chunk:
                        raise NotTls("its first TLS message is not complete")
                    data += chunk
            problem = find_name_problem(hello, request.host)
        except TimeoutError:
            problem = "its first TLS message did not arrive in time"
        except NotTls as error:
            problem = str(error)
        if problem:
            self._log_denied(request.host, problem)
            writer.write(ACCESS_DENIED)
            raise _Ended(f"{request.host}: the connection was ended because {problem}")
        return data

    async def _relay(self, client: Streams, server: Streams, *, upload: bool) -> None:
        """Copy bytes until the server closes the connection, or neither side sends any; without `upload` also until
        the client sends a second request, which clients repeat on a new connection."""
        async with asyncio.timeout(self._limits.idle) as deadline:
            loop = asyncio.get_running_loop()

            async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_upload: bool) -> None:
                while chunk := await reader.read(_CHUNK):
                    self._count(len(chunk) if is_upload else 0, 0 if is_upload else len(chunk))
                    writer.write(chunk)
                    await writer.drain()
                    deadline.reschedule(loop.time() + self._limits.idle)
                if is_upload and writer.can_write_eof():
                    writer.write_eof()

            async def send() -> None:
                if upload:
                    await copy(client[0], server[1], True)
                elif await client[0].read(1):
                    return
                await asyncio.Event().wait()  # the server ends the connection

            tasks = {loop.create_task(copy(server[0], client[1], False)), loop.create_task(send())}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _count(self, uploaded: int, downloaded: int) -> None:
        self._uploaded += uploaded
        self._downloaded += downloaded
        for used, limit, name in (
            (self._uploaded, self._limits.upload, "upload"),
            (self._downloaded, self._limits.download, "download"),
        ):
            if used > limit:
                setting = f"LOOPLINE_EGRESS_{name.upper()}_MEGABYTES"
                raise _Ended(f"the {name}s exceed {limit / MEGABYTE:,.6g} MB ({setting})")

    def _refuse(self, writer: asyncio.StreamWriter, refusal: Refusal) -> None:
        self._note_problem(f"{refusal.host}: {refusal.reason}" if refusal.host else refusal.reason)
        self._respond(writer, refusal)

    def _respond(self, writer: asyncio.StreamWriter, refusal: Refusal) -> None:
        self._log_denied(refusal.host, refusal.reason)
        with suppress(OSError):
            writer.write(format_refusal(refusal))

    def _block(self, host: str) -> None:
        is_full = len(self._blocked) >= MOST_HOSTS and host not in self._blocked
        self._blocked[OTHER_HOSTS if is_full else host] += 1

    def _note_problem(self, sentence: str) -> None:
        if sentence and len(self._problems) < MOST_PROBLEMS:
            self._problems[sentence] = None

    def _log_denied(self, host: str, reason: str) -> None:
        if self._has_log_left():
            _log.warning("egress denied", host=host, reason=reason, **self._names())

    def _has_log_left(self) -> bool:
        """Whether one more decision of this command is logged."""
        self._logged += 1
        if self._logged == MOST_LOGGED:
            _log.warning("egress log ended", reason=f"{MOST_LOGGED} decisions of one command", **self._names())
        return self._logged < MOST_LOGGED

    def _names(self) -> dict[str, str]:
        return {"run": self._policy.run, "command": self._policy.command}
