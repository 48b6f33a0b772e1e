"""Maps a failed model call to `Unavailable` (retry, and when), `Misconfigured` (a person has to change a setting),
`Unusable` (this run's failure) or another `Rejected`. Pure.

Called by `client`. The provider's message is kept, the request's content never. Sources:
https://platform.claude.com/docs/en/api/errors and https://platform.claude.com/docs/en/api/rate-limits.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping

import httpx2
from anthropic import APIConnectionError, APIStatusError

from integrations.errors import (
    IntegrationError,
    Misconfigured,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
    Unusable,
)
from integrations.server_time import read_time
from integrations.waits import parse_reset, parse_retry_after

WRONG_URL = "set ANTHROPIC_BASE_URL to the URL of a server that speaks Anthropic's Messages API"
_RETRY_STATUS = frozenset({408, 409, 425, 429})
_RETRY_TYPES = frozenset({"overloaded_error", "api_error", "rate_limit_error", "timeout_error"})
_REFUSAL_TYPES = frozenset({"invalid_request_error", "permission_error", "not_found_error", "request_too_large"})
_ACCOUNT_STATUS = frozenset({401, 402})
_ACCOUNT_TYPES = frozenset({"authentication_error", "billing_error"})
_ACCOUNT_MESSAGE = re.compile(r"credit balance|organization has been disabled", re.IGNORECASE)
_TOO_LONG = re.compile(r"prompt is too long|exceed context limit", re.IGNORECASE)
_USAGE_LIMIT = re.compile(r"reached your specified .*usage limits", re.IGNORECASE)
# "You have reached your specified API usage limits. You will regain access on 2026-04-01 at 00:00 UTC.", a 400
_REGAIN = re.compile(r"regain access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC")
_RESET = re.compile(r"anthropic-ratelimit-([a-z-]+)-reset")
# Failures before the request was sent, so it is not billed.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_CANNOT_ENCODE = "The conversation has characters that cannot be encoded as UTF-8."
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "HTTP_REQUEST")  # OpenSSL's names


class PromptTooLong(Rejected):
    """The conversation has outgrown the model's context window."""


def translate_error(error: Exception) -> IntegrationError:
    """Translate an error of the SDK; what is not a refusal and not the network concerns this run: `Unusable`."""
    if isinstance(error, IntegrationError):
        return error
    if isinstance(error, APIStatusError):
        return _translate_status(error)
    if isinstance(error, APIConnectionError | httpx2.HTTPError | httpx2.InvalidURL):
        return _translate_connection(error)
    if isinstance(error, UnicodeEncodeError):
        return Unusable(_CANNOT_ENCODE)
    if isinstance(error, ValueError):
        return Unusable(f"The model's reply cannot be read ({type(error).__name__}).")
    return Rejected(f"The model client refused the call ({type(error).__name__}).")


def may_be_billed(failure: IntegrationError, error: BaseException) -> bool:
    """Whether the provider may bill a call that failed without a response: it was sent and not refused. `failure` is
    the translated `error`."""
    if isinstance(failure, Unusable):
        return not isinstance(error, UnicodeEncodeError)
    cause = error.__cause__ if isinstance(error, APIConnectionError) else error
    return (
        not isinstance(error, APIStatusError) and not isinstance(failure, Rejected) and not isinstance(cause, _NOT_SENT)
    )


def _translate_connection(error: Exception) -> IntegrationError:
    for cause in _causes(error):
        match cause:
            case IntegrationError():
                return cause
            case UnicodeEncodeError():
                return Unusable(_CANNOT_ENCODE)
            case ssl.SSLCertVerificationError():
                return Misconfigured(
                    f"The certificate of the model server is not trusted ({cause.verify_message}): check "
                    "ANTHROPIC_BASE_URL, or add its authority to LOOPLINE_CA_FILE."
                )
            case ssl.SSLError() if cause.reason in _NOT_TLS:
                return Misconfigured(f"The model server does not speak TLS ({cause.reason}): {WRONG_URL}.")
            case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
                return Misconfigured(f"ANTHROPIC_BASE_URL is not a URL of a model server: {WRONG_URL}.")
            case httpx2.LocalProtocolError():
                return Misconfigured(
                    "ANTHROPIC_API_KEY has a character that is invalid in a header: copy it again.", "credentials"
                )
            case httpx2.DecodingError():
                return Unusable("The model's reply cannot be decoded.")
            case socket.gaierror():
                return Unavailable(
                    "The host name of the model server cannot be resolved: check the network and ANTHROPIC_BASE_URL."
                )
    return Unavailable(
        f"The model cannot be reached ({type(error).__name__}): check the network and ANTHROPIC_BASE_URL."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _translate_status(error: APIStatusError) -> IntegrationError:
    status, kind = error.status_code, error.type if isinstance(error.type, str) else ""
    text = error.api_message if isinstance(error.api_message, str) else f"HTTP {status}"
    message = " ".join(text.split())[:300].rstrip(".")
    wait = _seconds_until_regained(message, read_time(error.response.headers))
    if wait is not None or _USAGE_LIMIT.search(message):
        return Unavailable(f"Anthropic's usage limit is reached: {message}", wait)
    if status in _ACCOUNT_STATUS or kind in _ACCOUNT_TYPES or _ACCOUNT_MESSAGE.search(message):
        return Unauthorized(f"Anthropic refuses the key or the account of ANTHROPIC_API_KEY: {message}")
    # An error inside a stream has status 200, so only its type identifies it.
    if status in _RETRY_STATUS or status >= 500 or kind in _RETRY_TYPES:
        return Unavailable(f"The model is not available now: {message}", _seconds_to_wait(error))
    if status < 300 and kind not in _REFUSAL_TYPES:
        return Unusable(f"The model's reply cannot be used: it ended with the unknown error {kind[:60]!r}.")
    if status == 407:
        return Misconfigured("The proxy in front of the model asks for a password: correct the value of HTTPS_PROXY.")
    if 300 <= status < 400:
        return Misconfigured(f"The model server redirects to another URL (HTTP {status}): {WRONG_URL}.")
    if status == 413 or _TOO_LONG.search(message):
        return PromptTooLong(f"Anthropic rejected the request: {message}")
    if not kind:
        return Misconfigured(f"The model server answers HTTP {status} without Anthropic's error format: {WRONG_URL}.")
    if kind == "permission_error":
        return Misconfigured(
            f"Anthropic refuses this request to the key of ANTHROPIC_API_KEY: {message}. Give the key the permission, "
            "or choose another model",
            "credentials",
        )
    if kind == "not_found_error" and "model" not in message.lower():
        return Misconfigured(f"The model server has no such path (HTTP {status}: {message}): {WRONG_URL}.")
    if kind == "not_found_error":
        return NotFound(f"Anthropic does not know what was requested: {message}")
    return Rejected(f"Anthropic rejected the request: {message}")


def _seconds_until_regained(message: str, now: float) -> float | None:
    found = _REGAIN.search(message)
    return parse_reset(f"{found[1]}T{found[2]}+00:00", now) if found else None


def _seconds_to_wait(error: APIStatusError) -> float | None:
    """Seconds until a retry according to the response's headers."""
    headers = error.response.headers
    now = read_time(headers)
    wait = parse_retry_after(headers, now)
    return seconds_until_reset(headers, now) if wait is None and error.status_code == 429 else wait


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until every exhausted rate limit in the `anthropic-ratelimit-*` headers resets, None without
    one. `now` is Unix seconds. A limit without a `-remaining` header counts as exhausted."""
    resets = {
        found[1]: parse_reset(value, now)
        for name, value in headers.items()
        if (found := _RESET.fullmatch(name.lower()))
    }
    remaining = {name: headers.get(f"anthropic-ratelimit-{name}-remaining", "0") for name in resets}
    exhausted = [wait for name, wait in resets.items() if wait is not None and not remaining[name].strip("0. ")]
    return max(1.0, *exhausted) if exhausted else None
