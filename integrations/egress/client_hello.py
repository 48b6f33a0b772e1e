"""Reads the server name of a TLS connection from its first message. Pure.

RFC 8446, section 4.1.2; the name is in RFC 6066, section 3, encrypted client hello in RFC 9849.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 2**16
"""Bytes of records up to the end of the message; one with post-quantum key shares has about 1,800."""
_HANDSHAKE, _CLIENT_HELLO, _HOST_NAME = 22, 1, 0
_SERVER_NAME, _ENCRYPTED_CLIENT_HELLO = 0, 0xFE0D
_LARGEST_RECORD = 2**14
ACCESS_DENIED = b"\x15\x03\x03\x00\x02\x02\x31"
"""A fatal alert, so that the client reports a refusal and not a broken connection."""


class NotTls(ValueError):
    """The bytes are not a ClientHello; the message is the reason."""


@dataclass(frozen=True)
class ClientHello:
    """`server_name` is empty without the extension; `is_encrypted`: another name can be hidden in the message."""

    server_name: str
    is_encrypted: bool


class _Reader:
    """Reads numbers and vectors from a message; raises `NotTls` at its end."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        if size > len(self.data):
            raise NotTls("its first TLS message is malformed")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int) -> _Reader:
        return _Reader(self.take(self.number(length_size)))


def parse_client_hello(data: bytes) -> ClientHello | None:
    """The message at the start of `data`; None while it is incomplete. Raises `NotTls`."""
    message = b""
    while data:  # records, the last of which can be incomplete
        if data[0] != _HANDSHAKE or data[1:2] not in (b"", b"\x03"):
            raise NotTls("it does not begin with TLS")
        if len(data) < 5:
            break
        size = int.from_bytes(data[3:5], "big")
        if not 0 < size <= _LARGEST_RECORD:
            raise NotTls("its first TLS record is malformed")
        message += data[5 : 5 + size]
        data = data[5 + size :]
        if (body := _find_body(message)) is not None:
            return _parse_body(_Reader(body))
    return None


def _find_body(message: bytes) -> bytes | None:
    """The body of the handshake message at the start; None while it is incomplete."""
    if message[:1] not in (b"", bytes([_CLIENT_HELLO])):
        raise NotTls("its first TLS message is not a ClientHello")
    size = int.from_bytes(message[1:4], "big")
    if size > LONGEST:
        raise NotTls("its first TLS message is too large")
    return message[4 : 4 + size] if len(message) >= 4 + size and len(message) >= 4 else None


def _parse_body(body: _Reader) -> ClientHello:
    body.take(2 + 32)  # version, random
    for length_size in (1, 2, 1):  # session id, cipher suites, compression methods
        body.vector(length_size)
    extensions = body.vector(2) if body.data else _Reader(b"")
    found: dict[int, _Reader] = {}
    while extensions.data:
        kind = extensions.number(2)
        if kind in found:
            raise NotTls("its first TLS message has an extension twice")
        found[kind] = extensions.vector(2)
    name = _parse_server_name(found[_SERVER_NAME]) if _SERVER_NAME in found else ""
    return ClientHello(name, _ENCRYPTED_CLIENT_HELLO in found)


def _parse_server_name(extension: _Reader) -> str:
    names = extension.vector(2)
    kind, name = names.number(1), names.vector(2).data
    if kind != _HOST_NAME or names.data or extension.data:
        raise NotTls("its TLS server name is malformed")
    return name.decode("ascii", "backslashreplace")


def find_name_problem(hello: ClientHello, host: str) -> str:
    """Why the connection is not one to `host`; empty if it is."""
    if hello.is_encrypted:
        return "its TLS server name is encrypted"
    if not hello.server_name:
        return "it has no TLS server name"
    return "" if hello.server_name.lower() == host else "its TLS server name is another host"
