"""A certificate authority of a company, and servers with its certificates."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from queue import SimpleQueue

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Authority:
    """Its certificate is `file`, in PEM format."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.file = folder, folder / "authority.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Acme Test Authority")])
        built = self._build(self._name, self._key.public_key())
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        signed = built.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.file.write_bytes(signed.public_bytes(Encoding.PEM))

    def server_context(self, *hosts: str) -> ssl.SSLContext:
        """The context of a server with a certificate for these hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_name_host(host) for host in hosts]
        built = self._build(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])]), key.public_key())
        signed = built.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(
            self._key, hashes.SHA256()
        )
        file = self._folder / f"{hosts[0]}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(private + signed.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _build(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2))
        )


def _name_host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@contextmanager
def listen(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on loopback that calls `serve` for each connection, on an event loop in a thread; its port."""
    loop, ports = asyncio.new_event_loop(), SimpleQueue[int]()
    stop = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, backlog=200)
        ports.put(server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        for _ in range(5):
            await asyncio.sleep(0)  # aborted connections are closed in the next rounds

    loop.set_exception_handler(lambda *_: None)  # clients that do not finish the handshake
    thread = threading.Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    try:
        yield ports.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def forward(port: int) -> Serve:
    """Serves a connection by connecting it to another port of this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await join(reader, writer, *await asyncio.open_connection("127.0.0.1", port))

    return serve


async def join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    server_reader: asyncio.StreamReader,
    server_writer: asyncio.StreamWriter,
) -> None:
    """Copy both directions until one side ends."""

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                target.write(chunk)
                await target.drain()

    tasks = [asyncio.create_task(copy(reader, server_writer)), asyncio.create_task(copy(server_reader, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        server_writer.transport.abort()


class CompanyProxy:
    """An HTTP proxy with a password that connects every host to one of `ports`, by the port that was asked for."""

    def __init__(self, ports: dict[int, int], credentials: str = "") -> None:
        self.ports, self.credentials, self.heads = ports, credentials, list[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; the head of its request is in `heads`."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.credentials and f"Proxy-Authorization: Basic {self.credentials}\r\n".encode() not in head:
            challenge = b'Proxy-Authenticate: Basic realm="acme"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n" + challenge)
            return
        method, target = head.split(b" ")[:2]
        port = int(target.rpartition(b":")[2]) if method == b"CONNECT" else 80
        server = await asyncio.open_connection("127.0.0.1", self.ports.get(port, port))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            server[1].write(head)
        await join(reader, writer, *server)
