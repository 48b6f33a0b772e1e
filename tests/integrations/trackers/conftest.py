"""A small HTTP server with canned responses and faults, as Linear, proxies and the network produce them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass(frozen=True)
class Answer:
    """One response. `body` is text or JSON. `fault` is drop (hang up), cut (half the body) or silence."""

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""

    def encoded(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Seen:
    """A received request."""

    headers: dict[str, str]
    body: dict[str, Any]
    port: int
    path: str


class Wire(ThreadingHTTPServer):
    """Sends its `answers` in order, repeats the last one, and records the requests in `seen`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/graphql"
        self.answers: list[Answer] = [Answer({"data": {}})]
        self.seen: list[Seen] = []
        self.over = threading.Event()
        self._lock = threading.Lock()

    def next_answer(self, seen: Seen) -> Answer:
        with self._lock:
            self.seen.append(seen)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Wire

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.next_answer(Seen(headers, body, self.client_address[1], self.path))
        if answer.fault == "silence":
            self.server.over.wait(30)
        if answer.fault in ("silence", "drop"):
            self._hang_up()
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        body = answer.encoded()
        self.send_response(answer.status)
        for name, value in ({"Content-Type": "application/json"} | dict(answer.headers)).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + (answer.fault == "cut")))
        self.end_headers()
        self.wfile.write(body)
        if answer.fault == "cut":
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Do not log; tests check `seen`."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Wire() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def answer(wire: Wire) -> Callable[..., None]:
    """Adds a response by the fields of `Answer`; the last one is repeated."""
    wire.answers.clear()
    return lambda *args, **kwargs: wire.answers.append(Answer(*args, **kwargs))
