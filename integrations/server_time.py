"""The providers' clocks, from the Date header of their responses, to correct a wrong clock of this host.

Called by the clients of tracker and code host after each response. Times that are compared with those of a provider
(comments, reviews, expiries of tokens, resets of rate limits) must come from the same clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache

import structlog

TOLERANCE_SECONDS = 30.0
LONGEST_EXCHANGE_SECONDS = 5.0
PRECISION_SECONDS = 1.5
_log = structlog.get_logger(__name__)


def read_date(headers: Mapping[str, str]) -> float | None:
    """Unix seconds of the Date header (RFC 9110); None without a valid one, and for a response from a cache."""
    if headers.get("Age", headers.get("age", "0")) != "0":
        return None
    try:
        return parsedate_to_datetime(headers.get("Date") or headers.get("date") or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def read_time(headers: Mapping[str, str]) -> float:
    """Unix seconds of the server's clock when it responded; this host's clock without a Date."""
    return read_date(headers) or time.time()


class ServerClock:
    """One provider's clock as seen from this host. `offset` is added to this host's time, in seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.offset = 0.0

    def now(self) -> float:
        """Unix seconds of the provider's clock; this host's while they agree."""
        return self.convert(time.time())

    def convert(self, at: float) -> float:
        """The provider's time at this host's time `at`, in Unix seconds."""
        return at + self.offset

    def observe(self, headers: Mapping[str, str], elapsed: float) -> None:
        """Compare with a response that was received just now, `elapsed` seconds after its request."""
        date = read_date(headers)
        if date is None or elapsed > LONGEST_EXCHANGE_SECONDS:
            return
        found = date - time.time()
        before, self.offset = self.offset, self._choose_offset(found)
        if self.offset and abs(self.offset - before) > TOLERANCE_SECONDS:
            _log.warning("host clock differs", provider=self.name, seconds=round(-self.offset), reason=self.sentence)
        elif before and not self.offset:
            _log.info("host clock agrees again", provider=self.name)

    def _choose_offset(self, found: float) -> float:
        """A Date has whole seconds, so `found` is up to a second too small: the largest one of late is the best. A
        clock that went back between two events would void a quick approval."""
        if abs(found) <= TOLERANCE_SECONDS:
            return 0.0
        return self.offset if 0 <= self.offset - found < PRECISION_SECONDS else found

    @property
    def sentence(self) -> str:
        """The difference in one sentence, empty while the clocks agree."""
        if not self.offset:
            return ""
        way, minutes = "behind" if self.offset > 0 else "ahead of", abs(self.offset) / 60
        return (
            f"This host's clock is {minutes:.1f} min {way} the provider's ({self.name}). Loopline corrects the "
            "times that it compares; set up time synchronization on the host."
        )


@cache
def server_clock(name: str) -> ServerClock:
    """The clock of this provider, one per process."""
    return ServerClock(name)
