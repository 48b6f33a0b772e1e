"""Opens the egress proxy's connections to other hosts: resolves a name once, checks the addresses, connects to one.

With an upstream proxy, that one resolves the name, so the addresses are its responsibility.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from integrations.egress.addresses import Address, Network, find_address_problem, is_own_address
from integrations.egress.request import LARGEST_HEAD, Request, format_plain, format_tunnel
from integrations.outbound import Proxy, bypasses_proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
MOST_ADDRESSES = 8


class DialError(Exception):
    """The connection was not made; the message is the reason, for logs and tickets. `is_refusal`: by a rule."""

    def __init__(self, reason: str, is_refusal: bool = False) -> None:
        super().__init__(reason)
        self.is_refusal = is_refusal


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of the host, from the machine's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def connect(address: str, port: int) -> Streams:
    """Connect to an IP address; nothing is resolved."""
    return await asyncio.open_connection(address, port, flags=socket.AI_NUMERICHOST, limit=LARGEST_HEAD)


@dataclass(frozen=True)
class Dialer:
    """Connects to hosts that the policy permits. `networks` are the operator's private networks, `no_proxy` the hosts
    that are reached without `proxy`."""

    networks: tuple[Network, ...] = ()
    proxy: Proxy | None = None
    no_proxy: str = ""
    ca_file: Path | None = None
    resolve: Callable[[str, int], Awaitable[Sequence[str]]] = field(default=resolve)
    connect: Callable[[str, int], Awaitable[Streams]] = field(default=connect)

    async def open(self, request: Request) -> Streams:
        """Connect to the request's host, and send the head of a plain request. Raises `DialError`."""
        scheme = "https" if request.is_tunnel else "http"
        if self.proxy and not bypasses_proxy(urlsplit(f"{scheme}://{request.host}"), self.no_proxy):
            return await self._open_through(self.proxy, request)
        reader, writer = await self._connect_to_any(await self._find_addresses(request), request)
        if not request.is_tunnel:
            writer.write(format_plain(request, None))
        return reader, writer

    async def _find_addresses(self, request: Request) -> list[Address]:
        try:
            found = await self.resolve(request.host, request.port)
        except (OSError, UnicodeError):
            raise DialError("its name has no address") from None
        addresses = [ip_address(one.partition("%")[0]) for one in dict.fromkeys(found)][:MOST_ADDRESSES]
        problems = {one: find_address_problem(one, self.networks, is_own_address(one)) for one in addresses}
        if permitted := [address for address, problem in problems.items() if not problem]:
            return permitted
        address, kind = next(iter(problems.items()), (None, ""))
        if address is None:
            raise DialError("its name has no address")
        fix = "" if kind == "metadata" else "; the operator can permit its network with LOOPLINE_EGRESS_NETWORKS"
        raise DialError(f"its name leads to a {kind} address, {address}{fix}", is_refusal=True)

    async def _connect_to_any(self, addresses: Sequence[Address], request: Request) -> Streams:
        reason = ""
        for address in addresses:
            try:
                return await self.connect(str(address), request.port)
            except OSError as error:
                reason = error.strerror or type(error).__name__
        raise DialError(f"it does not accept connections ({reason})")

    async def _open_through(self, proxy: Proxy, request: Request) -> Streams:
        try:
            reader, writer = await self._connect_to_proxy(proxy)
        except OSError as error:  # `ssl.SSLError` is one
            raise DialError(f"the upstream proxy does not respond ({error.strerror or type(error).__name__})") from None
        if not request.is_tunnel:
            writer.write(format_plain(request, proxy.headers))
            return reader, writer
        try:
            writer.write(format_tunnel(request, proxy.headers))
            status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1:2]
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            status = []
        except BaseException:
            writer.transport.abort()
            raise
        if status == [b"200"]:
            return reader, writer
        writer.transport.abort()
        shown = status[0].decode("latin-1")[:3] if status else "nothing that can be read"
        fix = "; set its user name and password" if shown == "407" else ""
        raise DialError(f"the upstream proxy answered {shown}{fix}")

    async def _connect_to_proxy(self, proxy: Proxy) -> Streams:
        tls = ssl.create_default_context(cafile=self.ca_file) if proxy.scheme == "https" else None
        name = proxy.host if tls else None
        return await asyncio.open_connection(proxy.host, proxy.port, ssl=tls, server_hostname=name, limit=LARGEST_HEAD)
