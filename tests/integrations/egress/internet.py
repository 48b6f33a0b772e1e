"""A small internet for the egress proxy: names, addresses and servers, and a log of everything that reached them.

`Internet.naive_proxy` is a proxy without rules. Each attack is played against it first.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from integrations.egress.addresses import Network
from integrations.egress.client import Gateway, open_gateway
from integrations.egress.dial import Dialer, Streams
from integrations.egress.policy import EgressLimits, EgressPolicy
from integrations.egress.server import serve
from integrations.outbound import Proxy
from tests.support.authority import Authority, join, listen

FILES, EVIL, INTERNAL = "files.acme.test", "evil.example", "wiki.acme.test"
ADDRESSES = {FILES: ["203.0.113.10"], EVIL: ["203.0.113.66"], INTERNAL: ["10.1.2.3"], "localhost": ["127.0.0.1"]}
BIG = 3_000_000
"""Bytes of the resource /big."""
LIMITS = EgressLimits(head=5.0)


class Internet:
    """`dialed` are the connections as (address, port), `requests` the heads of plain requests with the host in front,
    `names` the server names of TLS connections, `received` all bytes after a head."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.ports: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened."""
        self.addresses = {name: list(found) for name, found in ADDRESSES.items()}
        self.dialed: list[tuple[str, int]] = []
        self.resolved: list[str] = []
        self.requests: list[str] = []
        self.names: list[str] = []
        self.received = b""

    @contextmanager
    def run(self) -> Iterator[Internet]:
        """Start the servers: all addresses lead to them, by port."""
        tls = self.authority.server_context(FILES, EVIL)
        tls.sni_callback = lambda _, name, __: self.names.append(name)
        with listen(self._serve_http) as plain, listen(self._serve_http, tls) as secure:
            self.ports = {80: plain, 443: secure}
            yield self

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """As the system's resolver, which reads numbers in every notation. The last address of a name stays."""
        self.resolved.append(host)
        with suppress(OSError, ValueError):
            return [socket.inet_ntoa(socket.inet_aton(host))]
        with suppress(OSError, ValueError):
            return [socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host.strip("[]")))]
        found = self.addresses.get(host.split("\0")[0].rstrip(".").lower())
        if not found:
            raise OSError(f"unknown host {host}")
        return [found.pop(0)] if len(found) > 1 else found

    async def connect(self, address: str, port: int) -> Streams:
        """Connect to the server of that port, whatever the address."""
        self.dialed.append((address, port))
        return await asyncio.open_connection("127.0.0.1", self.ports.get(port, self.ports[80]))

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.requests.append(head)
            if "upgrade: websocket" in head.lower():
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                self.received += await reader.read(100)
                return
            if " /big " in head:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + b"x" * BIG)
            elif " /moved " in head:
                location = f"http://{EVIL}/".encode()
                writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")
            elif " /silent " in head:
                await reader.read()
            elif " /upload " in head:
                while chunk := await reader.read(65_536):
                    self.received += chunk
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            await writer.drain()
            if "connection: close" in head.lower():
                return

    def reached(self, host: str) -> bool:
        """Whether a request for this host arrived at a server, on whichever connection."""
        return any(f"\r\nhost: {host}" in one.lower() or f"//{host}" in one.lower() for one in self.requests)

    @contextmanager
    def proxy(
        self,
        folder: Path,
        limits: EgressLimits = LIMITS,
        networks: tuple[Network, ...] = (),
        upstream: Proxy | None = None,
        no_proxy: str = "",
        ca_file: Path | None = None,
    ) -> Iterator[Path]:
        """The egress proxy of this internet; its folder."""
        with run_proxy(folder, Dialer(networks, upstream, no_proxy, ca_file, self.resolve, self.connect), limits):
            yield folder

    @contextmanager
    def gateway(self, folder: Path, *hosts: str, limits: EgressLimits = LIMITS) -> Iterator[Gateway]:
        """A proxy with one gateway for these hosts."""
        with ExitStack() as stack:
            stack.enter_context(self.proxy(folder, limits))
            yield stack.enter_context(open_gateway(folder, EgressPolicy(hosts, "run-1", "npm ci")))

    @contextmanager
    def naive_proxy(self) -> Iterator[Callable[[], socket.socket]]:
        """A proxy that sends each connection to the first host that it finds."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target = head.decode("latin-1").split(" ")[:2]
            authority = target if method == "CONNECT" else target.partition("//")[2].partition("/")[0]
            host, _, port = authority.rpartition("@")[2].partition(":")
            if authority.rpartition("@")[2].startswith("["):
                host, port = authority.partition("]")[0] + "]", "80"
            await self.resolve(host, 0)  # a check of the address, then a second resolution to connect
            address = (await self.resolve(host, 0))[0]
            server = await self.connect(address, int(port or 80))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                server[1].write(head)
            await join(reader, writer, *server)

        with listen(handle) as port:
            yield lambda: socket.create_connection(("127.0.0.1", port), timeout=10)


@contextmanager
def run_proxy(folder: Path, dialer: Dialer, limits: EgressLimits = LIMITS) -> Iterator[None]:
    """An egress proxy in a thread."""
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=serve, args=(folder, dialer, limits, stop, ready.set))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        stop.set()
        thread.join()


def connect_to(gateway: Gateway) -> socket.socket:
    """A connection to the gateway's socket, as the relay in the sandbox opens it."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    try:
        connection.connect(str(gateway.socket))
    except OSError:
        connection.close()
        raise
    return connection


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """Send, and read until the other side closes the connection."""
    answer = b""
    with suppress(ConnectionError):
        connection.sendall(request)
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read up to and including `end`."""
    answer = b""
    while not answer.endswith(end) and (byte := connection.recv(1)):
        answer += byte
    return answer


def until(condition: Callable[[], object]) -> None:
    """Wait for the condition."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the attack has to work without rules"
        time.sleep(0.002)
