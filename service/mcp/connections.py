"""uvicorn's HTTP protocol with deadlines, so that slow clients keep no connection that others need.

Beyond the number of connections, the oldest one that waits for its client is closed instead of the new one: behind a
reverse proxy all of them come from one address.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class DeadlineProtocol(H11Protocol):
    """One connection."""

    read_seconds: ClassVar[float] = 10.0
    """For which it waits for its client: from accepting, or the last response, to the end of a request."""
    work_seconds: ClassVar[float] = 60.0
    """From the end of a request until the client has read the response."""
    most_connections: ClassVar[int] = 500

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called for a new connection."""
        super().connection_made(transport)
        self._opened_at = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._set_deadline(self.read_seconds)
        if len(self.connections) > self.most_connections:
            waiting = [one for one in self.connections if isinstance(one, DeadlineProtocol) and one.is_waiting]
            min(waiting, key=lambda one: one._opened_at).transport.abort()

    @property
    def is_waiting(self) -> bool:
        """Whether the client acts next."""
        return self.cycle is None or self.cycle.more_body or self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Called for each part of a request."""
        waited = self.is_waiting
        super().data_received(data)
        if waited and not self.is_waiting:
            self._set_deadline(self.work_seconds)

    def on_response_complete(self) -> None:
        """Called after each response; the next request can have arrived already."""
        super().on_response_complete()
        self._set_deadline(self.read_seconds if self.is_waiting else self.work_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called at the end."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def _set_deadline(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)
