"""A port of this machine that records each connection, for the attacker to send secrets to."""

from __future__ import annotations

import socket
import threading
from types import TracebackType


class Listener:
    """Accepts TCP connections and keeps the first bytes of each."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.requests: list[bytes] = []
        self._seen = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def wait(self) -> None:
        """Until a connection was recorded; fails after 10 seconds."""
        assert self._seen.wait(10), "no connection"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(1000))
                self._seen.set()
