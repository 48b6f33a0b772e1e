"""Waiting times that providers request in headers: parsed and bounded. Pure.

Used by the clients of tracker, code host and model, and by `integrations.errors.Unavailable`, which bounds every
`retry_after`, so that no provider can make a retry immediate, endless or too large for Redis and `datetime`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SHORTEST_WAIT = 1.0  # seconds; a retry without a pause is a busy loop
LONGEST_WAIT = 3600.0  # seconds; longer rate limits are asked about again
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")
_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138, as milliseconds 1973


def clamp_wait(seconds: float) -> float:
    """`seconds` between `SHORTEST_WAIT` and `LONGEST_WAIT`; not a number counts as the longest."""
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT) if seconds == seconds else LONGEST_WAIT


def exponential_wait(failures: int, first: float, longest: float) -> float:
    """`first` seconds, doubled with each failure in a row, up to `longest`."""
    return min(first * 2.0 ** min(failures, 64), longest)  # a day of failures would exceed a float


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds in `Retry-After`, which is a number or an HTTP date (RFC 9110, 10.2.3); None for any other value. `now`
    is in Unix seconds. `headers` must ignore case, or have names in lower case."""
    text = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return float("inf") if text.isascii() and text.isdigit() else None


def parse_reset(text: str | None, now: float) -> float | None:
    """Seconds until the reset time in `text`: Unix seconds, Unix milliseconds or RFC 3339; None for any other value."""
    try:
        if _NUMBER.fullmatch(text or ""):
            at = float(text or "")
            return (at / 1000 if at >= _MILLISECONDS_FROM else at) - now
        moment = datetime.fromisoformat(text or "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now
    except (ValueError, OverflowError):
        return None
