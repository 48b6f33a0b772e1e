"""Limits refused deliveries: their responses per sender, and their log lines in total. Called by `webhooks`.

Only refusals count, after the signature was checked: behind a reverse proxy all senders have one address, and strangers
must not be able to block good deliveries. In memory of each process, because Redis can be away.
"""

from __future__ import annotations

import structlog
from flask import abort
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

PER_ADDRESS, LOGGED = 60, 120
"""Refusals in a minute: those of one address that get their reason, and those of all that are logged."""
WAIT_SECONDS = 60
_log = structlog.get_logger(__name__)


class RefusalLimit:
    """Counts refusals. Thread-safe."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._per_address, self._logged = map(RateLimitItemPerMinute, (PER_ADDRESS, LOGGED))
        self._last = RateLimitItemPerMinute(1)

    def may_log(self) -> bool:
        """Whether to log this refusal. The first one too many is logged as such."""
        if self._limiter.hit(self._logged, "log"):
            return True
        if self._limiter.hit(self._last, "log"):
            _log.warning("further refused deliveries are not logged for a minute", limit=LOGGED)
        return False

    def check(self, address: str) -> None:
        """Abort with 429 when the address had too many refusals."""
        if not self._limiter.hit(self._per_address, address):
            abort(429, f"Too many refused deliveries from {address}. Correct the webhook, then wait {WAIT_SECONDS} s.")
