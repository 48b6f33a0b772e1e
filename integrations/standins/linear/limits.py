"""The allowance of requests per hour: a leaky bucket for each person. Called by the server for each request."""

from __future__ import annotations

import time

HOUR_MS = 3_600_000


class Bucket:
    """A leaky bucket that holds an hour's allowance and refills at a constant rate."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self._left = float(allowed)
        self._at = time.monotonic()

    def take(self) -> bool:
        """Use one request; False when none is left."""
        self._refill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def headers(self) -> dict[str, str]:
        """Linear's headers about requests; the reset is in Unix milliseconds."""
        self._refill()
        full_at_ms = int(time.time() * 1000 + (self.allowed - self._left) / self.allowed * HOUR_MS)
        values = {"Limit": self.allowed, "Remaining": int(self._left), "Reset": full_at_ms}
        return {f"X-RateLimit-Requests-{key}": str(value) for key, value in values.items()}

    def _refill(self) -> None:
        now = time.monotonic()
        self._left = min(self.allowed, self._left + (now - self._at) * self.allowed / 3600)
        self._at = now
