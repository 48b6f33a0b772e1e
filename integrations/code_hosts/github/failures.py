"""Failed responses of GitHub as errors of Loopline. Pure; called by `api` and `graphql`."""

from __future__ import annotations

from typing import Any

import requests

from integrations.errors import (
    Conflict,
    Forbidden,
    IntegrationError,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
    WrongEndpoint,
)
from integrations.transport import parse_json
from integrations.waits import parse_reset, parse_retry_after

_REDIRECTS = {301, 302, 303, 307, 308}
_RATE_LIMIT = ("rate limit", "abuse detection", "temporarily blocked from content creation")
# Two responses to a merge that look final but are race conditions: https://github.com/cli/cli/issues/8092
_MERGE_RACES = ("Base branch was modified", "Merge already in progress")


class LostReply(Unavailable):
    """Unknown whether the request took effect: the reply never arrived, or GitHub failed during the request."""


def classify_error(
    response: requests.Response, request_line: str, settings: str, now: float
) -> IntegrationError | None:
    """The exception for an error response; None for a success. `now` is in Unix seconds.

    Source: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api"""
    status = response.status_code
    if status < 300 or (status in _REDIRECTS and response.request.method == "GET"):
        return None
    if status == 408 or status >= 500:
        return LostReply(f"GitHub failed at {request_line} with status {status}")
    message = _read_message(response)
    if (wait := _seconds_until_retry(response, message, now)) is not None:
        return Unavailable(f"GitHub rate limit exceeded at {request_line}: {message}", wait)
    if status in (403, 404, 405, 410) and is_web_page(response):
        return wrong_endpoint(response, request_line)
    match status:
        case 401:
            return Unauthorized(f"GitHub refuses the credentials at {request_line}: renew {settings}")
        case 403:
            needed = response.headers.get("X-Accepted-GitHub-Permissions", "")
            fix = f"permission needed: {needed or 'not specified by GitHub'} (see {settings})"
            return Forbidden(f"GitHub forbids {request_line}: {message}; {fix}", needed)
        case 404 | 410:
            return NotFound(f"GitHub has no {request_line}, or Loopline has no access: {message}")
        case 405 | 409 if message.startswith(_MERGE_RACES):
            return Unavailable(f"GitHub cannot {request_line} now: {message}", 5.0)
        case 409:
            return Conflict(f"GitHub refuses {request_line}: {message}")
    if status in _REDIRECTS:
        return Rejected(f"GitHub moved the target of {request_line}: set the repository's new name")
    return Rejected(f"GitHub refuses {request_line}: {message}")


def is_web_page(response: requests.Response) -> bool:
    """Whether the response is HTML, as of a login page or a proxy."""
    return response.headers.get("Content-Type", "").lower().startswith("text/html")


def wrong_endpoint(response: requests.Response, request_line: str) -> WrongEndpoint:
    """The error for a server that is not GitHub's API."""
    return WrongEndpoint(
        f"GITHUB_API_URL does not answer as GitHub's API (a web page with HTTP {response.status_code} for "
        f"{request_line}): set it to the API's root, https://api.github.com or https://HOST/api/v3"
    )


def _seconds_until_retry(response: requests.Response, message: str, now: float) -> float | None:
    """Seconds until the rate limit allows a retry; None when this is not a rate limit.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"""
    if response.status_code not in (403, 429):
        return None
    headers = response.headers
    if (seconds := parse_retry_after(headers, now)) is not None:
        return seconds
    reset = parse_reset(headers.get("X-RateLimit-Reset"), now)
    if headers.get("X-RateLimit-Remaining") == "0" and reset is not None:
        return reset + 1
    is_limit = any(phrase in message.lower() for phrase in _RATE_LIMIT)
    return 60.0 if is_limit or response.status_code == 429 else None


def _read_message(response: requests.Response) -> str:
    """GitHub's error message in one line of at most 300 characters."""
    try:
        body = parse_json(response.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return f"status {response.status_code}"
    errors = body.get("errors")
    details = [_format_detail(error) for error in errors] if isinstance(errors, list) else []
    message = str(body.get("message") or f"status {response.status_code}")
    return " ".join("; ".join([message, *details]).split())[:300]


def _format_detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or f"{error.get('resource')}.{error.get('field')} {error.get('code')}")
