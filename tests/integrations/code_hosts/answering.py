"""A small HTTP server with canned responses that records the requests."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Answer:
    """`body` is sent as JSON, bytes unchanged; `dropped` closes the connection without a response."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    dropped: bool = False


@dataclass(frozen=True)
class Asked:
    """A received request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    raw: bytes = b""


class Answering:
    """Listens on a free loopback port until it is closed."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def on(self, route: str, *answers: Answer) -> None:
        """Respond to `route` ('GET /user') with these answers in order; the last one is repeated."""
        self._answers[route] = list(answers)

    def count(self, route: str) -> int:
        """The number of requests to `route`."""
        return sum(f"{one.method} {one.path}" == route for one in self.asked)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answers = self._answers[f"{asked.method} {asked.path}"] or [Answer(404, {"message": "Not Found"})]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        find_answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(raw) if raw else None
                asked = Asked(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body, raw)
                answer = find_answer(asked)
                if answer.dropped:
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response_only(answer.status)
                own = {"Date": self.date_time_string(), "Content-Length": str(len(content))}
                for name, value in {**own, **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                """Do not log: the requests are in `asked`."""

        return Handler
