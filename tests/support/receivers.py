"""Receivers of notifications in threads of the test: an HTTP server, and an SMTP server of the standard library."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """What arrived, and how the server behaves: `statuses` are the next responses, 200 afterwards; it waits
    `hang_seconds` before each."""

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hang_seconds: float = 0.0


@contextmanager
def receive_http() -> Iterator[Received]:
    """A server for the form of apprise's json:// targets."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = received.statuses.pop(0) if received.statuses else 200
            if received.hang_seconds:
                time.sleep(received.hang_seconds)
            if status == 200:
                received.messages.append(body)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    yield from _serve(server, received)


@contextmanager
def receive_mail() -> Iterator[Received]:
    """A server for e-mail without TLS and login (RFC 5321)."""
    received = Received()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._reply("220 mail.acme.test")
            while line := self.rfile.readline().decode().strip():
                verb = line.partition(" ")[0].upper()
                if verb == "DATA":
                    self._reply("354 go ahead")
                    self._read_message()
                self._reply("221 bye" if verb == "QUIT" else "250 ok")
                if verb == "QUIT":
                    return

        def _read_message(self) -> None:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            found = {"title": message["subject"], "to": message["to"], "type": message.get_content_type()}
            received.messages.append(found | {"message": message.get_content()})

        def _reply(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    yield from _serve(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler), received)


def _serve(server: socketserver.TCPServer, received: Received) -> Iterator[Received]:
    received.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
