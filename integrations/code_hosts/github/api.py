"""A thin synchronous client of GitHub's REST API: requests, retries, errors and pagination.

Called by `code_host`, `app` and `deliveries` only. Reads are retried when the reply is lost, writes never: after a
`LostReply` the caller reads back whether the write took effect. Tokens go into one header, to one host, and into no
message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import requests
import structlog
from pydantic import BaseModel, ValidationError

from integrations.code_hosts.github.payloads import describe_error
from integrations.errors import (
    Conflict,
    Forbidden,
    IntegrationError,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
    WrongEndpoint,
    hide_secret,
)
from integrations.failpoints import fail
from integrations.outward import check_outward
from integrations.paging import PageBounds
from integrations.server_time import read_time, server_clock
from integrations.transport import OversizedResponse, find_setup_problem, mount_bounds, parse_json
from integrations.values import clean_value
from integrations.waits import parse_reset, parse_retry_after

Model = TypeVar("Model", bound=BaseModel)
_log = structlog.get_logger(__name__)

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "loopline"}
_TIMEOUTS = (5.0, 20.0)
_ROUTE_SEGMENTS = {
    "access_tokens", "app", "attempts", "check-runs", "collaborators", "comments", "commits", "deliveries",
    "events", "git", "heads", "hook", "hooks", "installation", "installations", "issues", "labels", "merge",
    "milestones", "permission", "pulls", "ref", "refs", "requested_reviewers", "reviews", "statuses",
}  # fmt: skip
_RETRIES = 3
_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_RATE_LIMIT = ("rate limit", "abuse detection", "temporarily blocked from content creation")
# Two responses to a merge that look final but are race conditions: https://github.com/cli/cli/issues/8092
_MERGE_RACES = ("Base branch was modified", "Merge already in progress")


@dataclass(frozen=True)
class Grant:
    """The scope of a request: one repository ('owner/name'), and GitHub's permission names with 'read' or 'write'."""

    repository: str
    permissions: tuple[tuple[str, str], ...] = ()


class Credentials(Protocol):
    """A source of tokens. `settings` names the settings to fix when GitHub refuses them."""

    settings: str

    def token(self, grant: Grant) -> str:
        """A token for `grant`, without further permissions where GitHub can narrow it."""

    def invalidate(self, token: str) -> bool:
        """GitHub refused `token`; returns whether another token can be requested."""


class LostReply(Unavailable):
    """Unknown whether the request took effect: the reply never arrived, or GitHub failed during the request."""


def build_path(*parts: str | int) -> str:
    """Join quoted parts, e.g. '/repos/o/n/git/ref/heads/a%23b'; keeps slashes in a part. Raises `Rejected` for empty
    segments and dots, which would lead to another path."""
    joined = "/".join(quote(str(part), safe="/") for part in parts)
    if any(segment in ("", ".", "..") for segment in joined.split("/")):
        raise Rejected(f"{joined[:200]!r} is not a path of GitHub's API: a name in it is empty or consists of dots")
    return f"/{joined}"


def name_operation(method: str, path: str) -> str:
    """Return the boundary operation of a request: 'github', the method and the fixed segments of its route.

    'github.PUT.pulls.merge' for PUT /repos/o/n/pulls/1/merge, 'github.GET.repos' for GET /repos/o/n."""
    fixed = [segment for segment in path.split("/")[1:] if segment in _ROUTE_SEGMENTS]
    return ".".join(("github", method, *(fixed or ["repos"])))


class _ThreadSession(threading.local):
    """One session per thread: `requests.Session` is not thread-safe."""

    def __init__(self) -> None:
        self.session = mount_bounds(requests.Session())


class GitHubApi:
    """`url` is the API's root: https://api.github.com, or https://HOST/api/v3. `backoff` is in seconds."""

    def __init__(self, url: str, credentials: Credentials, backoff: float = 0.2) -> None:
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._backoff = backoff
        self._thread = _ThreadSession()

    def get(self, model: type[Model], grant: Grant, path: str, **query: str | int) -> Model:
        """Read one object; follows renames. Retried three times, with backoff, when the reply is lost."""
        return _validate(model, self._read(f"{self._url}{path}", grant, query).data, path)

    def paginate(
        self, model: type[Model], grant: Grant, path: str, key: str = "", **query: str | int
    ) -> Iterator[Model]:
        """Read a paginated list; `key` is its name where GitHub wraps it in an object."""
        url, query = f"{self._url}{path}", {"per_page": 100, **query}
        bounds = PageBounds(f"GitHub's response to {path}", url)
        while url:
            response = self._read(url, grant, query)
            page = response.data.get(key) if key and isinstance(response.data, dict) else response.data
            if not isinstance(page, list):
                raise Rejected(f"GitHub's response to {path} is not a list")
            yield from _validate_items(model, page, path)
            url, query = _join_url(url, response.next_page) if response.next_page else "", {}
            if url:
                bounds.check(page, url)

    def send(self, model: type[Model], grant: Grant, method: str, path: str, body: Mapping[str, Any]) -> Model:
        """Write once and parse the response. Raises `LostReply` when the write may have taken effect."""
        response = self._send_authorized(method, f"{self._url}{path}", grant, body=body)
        try:
            return _validate(model, response.data, path)
        except Rejected as unreadable:
            raise LostReply(str(unreadable)) from None

    def send_only(self, grant: Grant, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Write once and ignore the response. Raises `LostReply` when the write may have taken effect."""
        self._send_authorized(method, f"{self._url}{path}", grant, body=body)

    def close(self) -> None:
        """Close this thread's connections; those of other threads end with their threads."""
        self._thread.session.close()

    def _read(self, url: str, grant: Grant, query: Mapping[str, str | int]) -> _Response:
        for attempt in range(_RETRIES):
            try:
                return self._follow(url, grant, query)
            except LostReply:
                time.sleep((attempt + 1) ** 2 * self._backoff)
        return self._follow(url, grant, query)

    def _follow(self, url: str, grant: Grant, query: Mapping[str, str | int]) -> _Response:
        target = url
        for _ in range(_MAX_REDIRECTS):
            response = self._send_authorized("GET", target, grant, query=query)
            if not response.moved_to:
                return response
            target, query = _join_url(target, response.moved_to), {}
        raise Rejected(f"GitHub redirects GET {urlsplit(url).path} too often")

    def _send_authorized(self, method: str, url: str, grant: Grant, **content: Any) -> _Response:
        """Send with a token; retry once with a new one if GitHub refused it, as a refused request has no effect.

        Only to the API's own host: a redirect or the next page can name any other."""
        if _get_origin(url) != _get_origin(self._url):
            raise Rejected(f"GitHub refers to another host, {url[:100]!r}: if it is the API's own, set GITHUB_API_URL")
        token = self._credentials.token(grant)
        try:
            return self._exchange(method, url, token, **content)
        except Unauthorized:
            if not self._credentials.invalidate(token):
                raise
        return self._exchange(method, url, self._credentials.token(grant), **content)

    def _exchange(
        self,
        method: str,
        url: str,
        token: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> _Response:
        request_line = f"{method} {urlsplit(url).path}"
        operation = name_operation(method, urlsplit(url).path)
        if method != "GET" and not operation.endswith("access_tokens"):  # tokens are needed for reads, too
            check_outward()
        fail(operation, "before")
        try:
            response = self._thread.session.request(
                method,
                url,
                params=query,
                json=clean_value(body),
                headers=_HEADERS,
                auth=_Bearer(token),
                timeout=_TIMEOUTS,
                allow_redirects=False,
                hooks={"response": lambda *_, **__: fail(operation, "sent")},
            )
        except OversizedResponse as error:
            kind = Rejected if method == "GET" else LostReply
            raise kind(f"GitHub's response to {request_line} cannot be used: {error}") from None
        except (OSError, ValueError) as error:  # all of requests'; ValueError: a redirect to an invalid URL
            # The cause contains the request with the token; its name is enough. A slow read is not retried at once.
            if problem := find_setup_problem(error, "GITHUB_API_URL"):
                raise WrongEndpoint(problem) from None
            if not isinstance(error, requests.RequestException | ValueError):
                raise  # of this machine
            slow_read = method == "GET" and isinstance(error, requests.Timeout)
            lost = Unavailable if slow_read else LostReply
            place = "check the network and GITHUB_API_URL"
            raise lost(f"GitHub did not answer {request_line} ({type(error).__name__}): {place}") from None
        server_clock("github").observe(response.headers, response.elapsed.total_seconds())
        if failed := classify_error(response, request_line, self._credentials.settings, read_time(response.headers)):
            raise hide_secret(failed, token)
        parsed = _parse_response(response, request_line)
        fail(operation, "done")
        return parsed


class _Bearer(requests.auth.AuthBase):
    """Sets the header; without an `auth` object, requests replaces it with a password from ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class _Response:
    """The parsed response: JSON, the next page's URL, or the target of a redirect."""

    data: Any = None
    next_page: str = ""
    moved_to: str = ""


def _parse_response(response: requests.Response, request_line: str) -> _Response:
    if response.status_code in _REDIRECTS:
        return _Response(moved_to=response.headers.get("Location", "?"))
    if response.request.method == "GET" and _is_web_page(response):
        raise _wrong_endpoint(response, request_line)
    try:
        data = parse_json(response.content) if response.content else None
    except ValueError:
        raise LostReply(f"GitHub's response to {request_line} is not JSON") from None
    return _Response(data=data, next_page=response.links.get("next", {}).get("url", ""))


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
    if status in (403, 404, 405, 410) and _is_web_page(response):
        return _wrong_endpoint(response, request_line)
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


def _is_web_page(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").lower().startswith("text/html")


def _wrong_endpoint(response: requests.Response, request_line: str) -> WrongEndpoint:
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


def _validate(model: type[Model], data: Any, path: str) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Rejected(f"GitHub's response to {path} is invalid: {describe_error(error)}") from None


def _validate_items(model: type[Model], items: list[Any], path: str) -> list[Model]:
    """The valid items, so that a broken one does not hide the others. Raises `Rejected` when all of them are broken."""
    valid: list[Model] = []
    broken: list[Rejected] = []
    for item in items:
        try:
            valid.append(_validate(model, item, path))
        except Rejected as error:
            broken.append(error)
    if broken and not valid:
        raise broken[0]
    if broken:
        _log.warning("broken items of a list ignored", items=len(broken), reason=str(broken[0]))
    return valid


def _join_url(url: str, reference: str) -> str:
    try:
        joined = urljoin(url, reference)
        _get_origin(joined)
    except ValueError:
        place = urlsplit(url).path
        raise Rejected(f"GitHub's response to {place} has the invalid URL {reference[:100]!r}") from None
    return joined


def _get_origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
