"""A thin synchronous client of GitHub's REST API: requests, retries, errors and pagination.

Called by `code_host`, `app` and `deliveries` only. Reads are retried when the reply is lost, writes never: after a
`LostReply` the caller reads back whether the write took effect. Tokens go into one header, to one host, and into no
message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import requests
import structlog
from pydantic import BaseModel, ValidationError

from integrations.code_hosts.github.failures import LostReply as LostReply
from integrations.code_hosts.github.failures import classify_error, is_web_page, wrong_endpoint
from integrations.code_hosts.github.payloads import describe_error
from integrations.errors import (
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
from integrations.waits import parse_reset

Model = TypeVar("Model", bound=BaseModel)
_log = structlog.get_logger(__name__)

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "loopline"}
_TIMEOUTS = (5.0, 20.0)
_ROUTE_SEGMENTS = {
    "access_tokens", "actions", "alerts", "annotations", "app", "attempts", "check-runs", "collaborators", "comments",
    "commits", "deliveries", "dependabot", "events", "git", "heads", "hook", "hooks", "installation", "installations",
    "issues", "jobs", "labels", "logs", "merge", "milestones", "permission", "pulls", "ref", "refs", "releases",
    "replies", "requested_reviewers", "rerequest", "rerun-failed-jobs", "reviews", "rules", "runs", "search",
    "statuses",
}  # fmt: skip
_RETRIES = 3
_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}


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

    def find_redirect(self, grant: Grant, path: str) -> str:
        """The URL that a read redirects to, on any host. Raises `Rejected` for an answer without one."""
        response = self._send_authorized("GET", f"{self._url}{path}", grant)
        if not response.moved_to:
            raise Rejected(f"GitHub's response to {path} is no redirect")
        return _join_url(f"{self._url}{path}", response.moved_to)

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

    def post_graphql(self, grant: Grant, operation: str, body: Mapping[str, Any], *, reads: bool) -> GraphQLReply:
        """Send a document to the GraphQL endpoint; a query (`reads`) is retried like a GET. `operation` is its name.

        GitHub answers with status 200 also when it refuses; `graphql` reads the errors."""
        parts = urlsplit(self._url)
        url = f"{parts.scheme}://{parts.netloc}{'/api' if parts.path.startswith('/api/v3') else ''}/graphql"
        content = {"body": body, "operation": f"github.graphql.{operation}", "reads": reads}

        def send() -> _Response:
            return self._send_authorized("POST", url, grant, **content)

        response = self._retry(send) if reads else send()
        return GraphQLReply(response.data, response.reset)

    def close(self) -> None:
        """Close this thread's connections; those of other threads end with their threads."""
        self._thread.session.close()

    def _read(self, url: str, grant: Grant, query: Mapping[str, str | int]) -> _Response:
        return self._retry(lambda: self._follow(url, grant, query))

    def _retry(self, read: Callable[[], _Response]) -> _Response:
        for attempt in range(_RETRIES):
            try:
                return read()
            except LostReply:
                time.sleep((attempt + 1) ** 2 * self._backoff)
        return read()

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
        operation: str = "",
        reads: bool = False,
    ) -> _Response:
        request_line = f"{method} {urlsplit(url).path}"
        operation = operation or name_operation(method, urlsplit(url).path)
        reads = reads or method == "GET"
        if not reads and not operation.endswith("access_tokens"):  # tokens are needed for reads, too
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
            kind = Rejected if reads else LostReply
            raise kind(f"GitHub's response to {request_line} cannot be used: {error}") from None
        except (OSError, ValueError) as error:  # all of requests'; ValueError: a redirect to an invalid URL
            # The cause contains the request with the token; its name is enough. A slow read is not retried at once.
            if problem := find_setup_problem(error, "GITHUB_API_URL"):
                raise WrongEndpoint(problem) from None
            if not isinstance(error, requests.RequestException | ValueError):
                raise  # of this machine
            slow_read = reads and isinstance(error, requests.Timeout)
            lost = Unavailable if slow_read else LostReply
            place = "check the network and GITHUB_API_URL"
            raise lost(f"GitHub did not answer {request_line} ({type(error).__name__}): {place}") from None
        server_clock("github").observe(response.headers, response.elapsed.total_seconds())
        now = read_time(response.headers)
        if failed := classify_error(response, request_line, self._credentials.settings, now):
            raise hide_secret(failed, token)
        parsed = _parse_response(response, request_line, now)
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
class GraphQLReply:
    """The body of a reply, and the seconds until the rate limit is reset, None where GitHub does not show it."""

    body: Any
    reset: float | None = None


@dataclass(frozen=True)
class _Response:
    """The parsed response: JSON, the next page's URL, or the target of a redirect."""

    data: Any = None
    next_page: str = ""
    moved_to: str = ""
    reset: float | None = None


def _parse_response(response: requests.Response, request_line: str, now: float) -> _Response:
    if response.status_code in _REDIRECTS:
        return _Response(moved_to=response.headers.get("Location", "?"))
    if response.request.method == "GET" and is_web_page(response):
        raise wrong_endpoint(response, request_line)
    try:
        data = parse_json(response.content) if response.content else None
    except ValueError:
        raise LostReply(f"GitHub's response to {request_line} is not JSON") from None
    reset = parse_reset(response.headers.get("X-RateLimit-Reset"), now)
    return _Response(data=data, next_page=response.links.get("next", {}).get("url", ""), reset=reset)


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
