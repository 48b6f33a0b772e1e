"""A receiver of webhooks on a real socket. Shared by the tests of the stand-ins."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Delivery:
    """A webhook as received; header names are in lower case."""

    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Receiver:
    """`answers` are the status codes of the next answers, then `answer`; `came` has the deliveries."""

    def __init__(self) -> None:
        self.answer = 200
        self.answers: list[int] = []
        self.came: queue.Queue[Delivery] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.put(Delivery({name.lower(): value for name, value in self.headers.items()}, raw))
                self.send_response(receiver.answers.pop(0) if receiver.answers else receiver.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def take(self, count: int = 1) -> list[Delivery]:
        """The next deliveries, within 5 seconds each."""
        return [self.came.get(timeout=5) for _ in range(count)]

    @property
    def all(self) -> list[Delivery]:
        """All deliveries that were not taken."""
        return list(self.came.queue)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
