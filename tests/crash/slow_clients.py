"""Slow clients: connections that are silent, send one byte a second, or never read; and the time of good deliveries.

The clients live in a process of their own, so that they cost the caller no time: `python -m tests.crash.slow_clients
PORT N` prints `ready`, runs until its stdin is closed, and prints a report as JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import resource
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from tests.support.checkout import REPOSITORY

DRIP_SECONDS = 1.0
PHASE_SECONDS = 20.0
PHASE_CLIENTS = 500
_POST = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\n"
_GETS = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass(frozen=True)
class Slowness:
    """Bytes at the start, and then again every second. `reads`: whether the client reads its responses."""

    opening: bytes = b""
    drip: bytes = b""
    reads: bool = True


KINDS = {
    "silent": Slowness(),
    "half a request line": Slowness(b"POST /webho"),
    "dripping request line": Slowness(b"POST /", b"w"),
    "dripping header": Slowness(_POST + b"X-Drip: ", b"x"),
    "endless headers": Slowness(_POST, b"X-Drip: x\r\n"),
    "dripping body": Slowness(_POST + b"Content-Length: 20000\r\n\r\n", b"{"),
    "dripping chunks": Slowness(_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "large body promised": Slowness(_POST + b"Content-Length: 26214400\r\n\r\n" + b"x" * 16_384, b"x"),
    "waiting for 100 Continue": Slowness(_POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n"),
    "idle after a request": Slowness(_GETS),
    "TLS": Slowness(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)),
    "never reading": Slowness(_GETS * 20, _GETS, reads=False),
}


@dataclass
class Report:
    """Connections now, closed ones by kind, and the longest life in seconds by kind."""

    open: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)


class _Crowd:
    """All slow clients of this process. A closed one is replaced after a second."""

    def __init__(self, port: int, replace: bool) -> None:
        self._address = ("127.0.0.1", port)
        self._replace = replace
        self.report = Report()

    async def live(self, kind: str, ready: asyncio.Event) -> None:
        """One client of this kind, again and again."""
        while True:
            began = time.monotonic()
            with suppress(OSError), socket.socket() as connection:
                await self._connect_and_dawdle(connection, KINDS[kind], ready)
            ready.set()
            self.report.closed[kind] += 1
            self.report.longest[kind] = max(self.report.longest.get(kind, 0.0), time.monotonic() - began)
            if not self._replace:
                return
            await asyncio.sleep(DRIP_SECONDS)

    async def _connect_and_dawdle(self, connection: socket.socket, kind: Slowness, ready: asyncio.Event) -> None:
        """Returns when the server has closed the connection."""
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        if not kind.reads:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(connection, self._address)
        self.report.open += 1
        try:
            await loop.sock_sendall(connection, kind.opening)
            ready.set()
            while not await _closed(connection, kind.reads):
                await asyncio.wait_for(loop.sock_sendall(connection, kind.drip), 60)
        finally:
            self.report.open -= 1


async def _closed(connection: socket.socket, reads: bool) -> bool:
    """Whether the server closes the connection within a second."""
    if not reads:
        await asyncio.sleep(DRIP_SECONDS)
        return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
    until = time.monotonic() + DRIP_SECONDS
    with suppress(TimeoutError):
        while True:
            left = max(0.01, until - time.monotonic())
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 65_536), left)
            if not data:
                return True
    return False


async def _run(port: int, count: int, kinds: list[str], replace: bool) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = _Crowd(port, replace)
    ready = [asyncio.Event() for _ in range(count)]
    tasks = [asyncio.create_task(crowd.live(kinds[n % len(kinds)], event)) for n, event in enumerate(ready)]
    await asyncio.gather(*(event.wait() for event in ready))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    sys.stdout.write(json.dumps(vars(crowd.report)) + "\n")
    for task in tasks:
        task.cancel()


@contextmanager
def slow_clients(port: int, count: int, *kinds: str, replace: bool = True) -> Iterator[Report]:
    """Keep `count` slow clients of these kinds (all) at this port; the report is complete after the block."""
    command = [sys.executable, "-m", "tests.crash.slow_clients", str(port), str(count), str(int(replace)), *kinds]
    report = Report()
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        try:
            assert process.stdout.readline() == b"ready\n", "the slow clients could not connect"
            yield report
        finally:
            process.stdin.close()
            found: dict[str, Any] = json.loads(process.stdout.readline() or b"{}")
            watchdog.cancel()
            process.kill()
            report.__dict__.update(found)


def crowd_in_phases(port: int, over: threading.Event) -> None:
    """Keep slow clients at this port in phases of `PHASE_SECONDS`, with pauses of the same length, until `over`."""
    while not over.wait(PHASE_SECONDS):
        with slow_clients(port, PHASE_CLIENTS):
            over.wait(PHASE_SECONDS)


def time_deliveries(port: int, secret: str, seconds: float, keep: bool) -> list[float]:
    """Milliseconds of good deliveries one after the other, on one connection or each on a new one."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    until, taken = time.monotonic() + seconds, []
    while time.monotonic() < until:
        body = json.dumps({"zen": "Design for failure.", "hook_id": str(uuid.uuid4())}).encode()
        began = time.perf_counter()
        connection.request("POST", "/webhooks/github", body, _sign(body, secret))
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())) == (200, {"accepted": True})
        taken.append((time.perf_counter() - began) * 1000)
        if not keep:
            connection.close()
        time.sleep(0.01)
    connection.close()
    return taken


def _sign(body: bytes, secret: str) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    kind = {"Content-Type": "application/json", "X-GitHub-Event": "ping", "X-GitHub-Delivery": str(uuid.uuid4())}
    return kind | {"X-Hub-Signature-256": f"sha256={signature}"}


def find_p99(milliseconds: list[float]) -> float:
    """The 99th percentile."""
    return sorted(milliseconds)[int(len(milliseconds) * 0.99)]


if __name__ == "__main__":
    port, count, replace, *kinds = sys.argv[1:]
    asyncio.run(_run(int(port), int(count), kinds or list(KINDS), replace == "1"))
