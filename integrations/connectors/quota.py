"""Bounds on what one server can send between two calls. Pure."""

from __future__ import annotations

LARGEST_MESSAGE = 4 * 2**20
MOST_BYTES = 8 * 2**20
MOST_MESSAGES = 2_000
"""Notifications and unreadable lines: progress and logs of one call need a few hundred."""


class Flooded(Exception):
    """The server has sent more than the quota."""


class Quota:
    """What is left until the next call. `problem` is set once it is exceeded, and never removed: the session ends.
    `hint` is why the last request failed, for transports whose errors do not have the reason."""

    def __init__(self) -> None:
        self.problem = self.hint = ""
        self._bytes = self._messages = 0

    def renew(self) -> None:
        """Called at the begin of each call."""
        self._bytes = self._messages = 0

    def count_bytes(self, number: int) -> None:
        """Raises `Flooded`."""
        self._bytes += number
        if self._bytes > MOST_BYTES:
            self._exceed(f"it sent more than {MOST_BYTES >> 20} MB for one call")

    def count_message(self) -> None:
        """Raises `Flooded`."""
        self._messages += 1
        if self._messages > MOST_MESSAGES:
            self._exceed(f"it sent more than {MOST_MESSAGES} messages for one call")

    def _exceed(self, problem: str) -> None:
        self.problem = problem
        raise Flooded(problem)
