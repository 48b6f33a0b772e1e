"""A server that sends raw bytes, for responses that no well-behaved HTTP server sends."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Play = Callable[[socket.socket, bytes], None]


@contextmanager
def serve_raw(play: Play) -> Iterator[str]:
    """The URL of a server that calls `play` with each request, until its client hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def respond(client: socket.socket) -> None:
            with client, suppress(OSError):
                while request := _read_request(client):
                    play(client, request)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threading.Thread(target=respond, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def _read_request(client: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        if not (part := client.recv(1 << 20)):
            return b""
        request += part
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += client.recv(1 << 20)
    return head + body


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole response."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body
