"""Maps a failed model call to `Unavailable` (retry, and when) or `Rejected` (do not retry). Pure.

Called by `client`. The provider's message is kept, the request's content never. Sources:
https://platform.claude.com/docs/en/api/errors and https://platform.claude.com/docs/en/api/rate-limits.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import httpx2
from anthropic import APIConnectionError, APIStatusError

from integrations.errors import IntegrationError, Rejected, Unauthorized, Unavailable
from integrations.server_time import read_date

_RETRY_STATUS = frozenset({408, 409, 425, 429})
_RETRY_TYPES = frozenset({"overloaded_error", "api_error", "rate_limit_error", "timeout_error"})
_ACCOUNT_STATUS = frozenset({401, 402, 403})
_ACCOUNT_TYPES = frozenset({"authentication_error", "billing_error", "permission_error"})
_ACCOUNT_MESSAGE = re.compile(r"credit balance", re.IGNORECASE)
# "You have reached your specified API usage limits. You will regain access on 2026-04-01 at 00:00 UTC.", a 400
_REGAIN = re.compile(r"regain access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC")
_RESET = re.compile(r"anthropic-ratelimit-([a-z-]+)-reset")
# Failures before the request was sent, so it is not billed.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class PromptTooLong(Rejected):
    """The conversation has outgrown the model's context window."""


def translate_error(error: Exception) -> IntegrationError:
    """Translate an error of the SDK to `Unavailable` (with `retry_after` if known), `Unauthorized` or `Rejected`."""
    if isinstance(error, IntegrationError):
        return error
    if isinstance(error, APIStatusError):
        return _translate_status(error)
    if isinstance(error, APIConnectionError | httpx2.HTTPError):
        return Unavailable(f"The model cannot be reached ({type(error).__name__}): check the network and the base URL.")
    if isinstance(error, ValueError):
        return Unavailable("The model's reply could not be read as its wire format.")
    return Rejected(f"The model client refused the call ({type(error).__name__}).")


def may_be_billed(error: BaseException) -> bool:
    """Whether the provider may bill a call that failed without a response: it was sent and not refused."""
    cause = error.__cause__ if isinstance(error, APIConnectionError) else error
    return not isinstance(error, APIStatusError | Rejected) and not isinstance(cause, _NOT_SENT)


def _translate_status(error: APIStatusError) -> IntegrationError:
    message = error.api_message or f"HTTP {error.status_code}"
    if regained := _REGAIN.search(message):
        until = datetime.fromisoformat(f"{regained[1]}T{regained[2]}+00:00").timestamp()
        now = read_date(error.response.headers) or time.time()
        return Unavailable(f"Anthropic's usage limit is reached: {message}", max(1.0, until - now))
    if error.status_code in _ACCOUNT_STATUS or error.type in _ACCOUNT_TYPES or _ACCOUNT_MESSAGE.search(message):
        return Unauthorized(f"Anthropic refuses the key or the account of ANTHROPIC_API_KEY: {message}")
    # An error inside a stream has status 200, so only its type identifies it.
    if error.status_code in _RETRY_STATUS or error.status_code >= 500 or error.type in _RETRY_TYPES:
        return Unavailable(f"The model is not available now: {message}", _seconds_to_wait(error))
    if error.status_code == 400 and "prompt is too long" in message.lower():
        return PromptTooLong(f"Anthropic rejected the request: {message}")
    return Rejected(f"Anthropic rejected the request: {message}")


def _seconds_to_wait(error: APIStatusError) -> float | None:
    """Seconds until a retry according to the response's headers."""
    headers = error.response.headers
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        now = read_date(headers) or time.time()
        return seconds_until_reset(headers, now) if error.status_code == 429 else None


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until every exhausted rate limit in the `anthropic-ratelimit-*` headers resets, None without
    one. `now` is Unix seconds. A limit without a `-remaining` header counts as exhausted."""
    resets = {
        found[1]: _parse_time(value) for name, value in headers.items() if (found := _RESET.fullmatch(name.lower()))
    }
    remaining = {name: headers.get(f"anthropic-ratelimit-{name}-remaining", "0") for name in resets}
    exhausted = [at for name, at in resets.items() if at and not remaining[name].strip("0. ")]
    return max(1.0, max(exhausted) - now) if exhausted else None


def _parse_time(value: str) -> float | None:
    """Unix seconds of an RFC 3339 time or of a number of seconds."""
    try:
        if value.isdecimal():
            return float(value)
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
