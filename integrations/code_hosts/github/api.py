"""A thin synchronous client of GitHub's REST API: one request, its retries, its errors, its pages.

Called by `github.py` and `github_app.py` only. It knows no pull requests and decides nothing about them. Reading is
repeated when the answer is lost, writing never: whoever writes looks up what happened when `LostReply` says that nobody
knows. Tokens go into one header, to one host, and into no message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import requests
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from integrations.code_hosts.github.payloads import complaint
from integrations.errors import Conflict, IntegrationError, NotFound, Rejected, Unauthorized, Unavailable
from integrations.failpoints import fail

Shape = TypeVar("Shape", bound=BaseModel)

_HEADERS = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": "loopline",
}
_TIMEOUTS = (5.0, 20.0)
_ROUTE_SEGMENTS = frozenset(
    {
        "access_tokens", "app", "attempts", "check-runs", "collaborators", "comments", "commits", "deliveries",
        "events", "git", "heads", "hook", "hooks", "installation", "installations", "issues", "merge", "permission",
        "pulls", "ref", "refs", "reviews", "statuses",
    }
)  # fmt: skip
_RETRIES = 3
_HOPS = 5
_MOVED = {301, 302, 303, 307, 308}
_SECONDARY_LIMIT = ("secondary rate limit", "abuse detection", "temporarily blocked from content creation")
# Two answers to a merge that look final and are not: https://github.com/cli/cli/issues/8092
_MERGE_RACES = ("Base branch was modified", "Merge already in progress")


@dataclass(frozen=True)
class Grant:
    """What a request may do: one repository ('owner/name'), and GitHub's permission names with 'read' or 'write'."""

    repository: str
    permissions: tuple[tuple[str, str], ...] = ()


class Credentials(Protocol):
    """Where tokens come from. `settings` names what a person has to mend when GitHub refuses them."""

    settings: str

    def token(self, grant: Grant) -> str:
        """A token good for `grant`, and for no more where GitHub can narrow it."""

    def forget(self, token: str) -> bool:
        """GitHub refused `token`; returns whether it is worth asking for another."""


class LostReply(Unavailable):
    """Nobody knows whether the request took effect: the answer never came, or GitHub broke while it worked."""


def path(*parts: str | int) -> str:
    """'/repos/o/n/git/ref/heads/a%23b' of its parts; slashes inside a part stay. Raises `Rejected` for empty parts and
    dots, with which a name could climb into another path."""
    joined = "/".join(quote(str(part), safe="/") for part in parts)
    if any(segment in ("", ".", "..") for segment in joined.split("/")):
        raise Rejected(f"{joined[:200]!r} is not a path of GitHub's API: a name in it is empty or made of dots")
    return f"/{joined}"


def operation_of(method: str, path: str) -> str:
    """The boundary operation of a request: 'github', the method and the fixed segments of its route.

    'github.PUT.pulls.merge' for PUT /repos/o/n/pulls/1/merge, 'github.GET.repos' for GET /repos/o/n."""
    fixed = [segment for segment in path.split("/")[1:] if segment in _ROUTE_SEGMENTS]
    return ".".join(("github", method, *(fixed or ["repos"])))


class _Thread(threading.local):
    """One session for each thread: `requests.Session` is not made for several."""

    def __init__(self) -> None:
        self.session = requests.Session()


class GitHubApi:
    """`url` is the API's root: https://api.github.com, or https://HOST/api/v3. `backoff` is in seconds."""

    def __init__(self, url: str, credentials: Credentials, backoff: float = 0.2) -> None:
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._backoff = backoff
        self._thread = _Thread()

    def get(self, shape: type[Shape], grant: Grant, path: str, **query: str | int) -> Shape:
        """Read one thing, following renames. Tried four times when the answer is lost."""
        return _shaped(shape, self._read(f"{self._url}{path}", grant, query).data, path)

    def items(self, shape: type[Shape], grant: Grant, path: str, key: str = "", **query: str | int) -> Iterator[Shape]:
        """Read a list page by page; `key` names it where GitHub wraps it in an object."""
        url, query = f"{self._url}{path}", {"per_page": 100, **query}
        while url:
            answer = self._read(url, grant, query)
            page = answer.data.get(key) if key and isinstance(answer.data, dict) else answer.data
            if not isinstance(page, list):
                raise Rejected(f"GitHub's answer to {path} is not a list")
            yield from (_shaped(shape, item, path) for item in page)
            url, query = _joined(url, answer.next_page) if answer.next_page else "", {}

    def send(self, shape: type[Shape], grant: Grant, method: str, path: str, body: Mapping[str, Any]) -> Shape:
        """Write once and read the answer. Raises `LostReply` when the write may have happened."""
        answer = self._authorised(method, f"{self._url}{path}", grant, body=body)
        try:
            return _shaped(shape, answer.data, path)
        except Rejected as unreadable:
            raise LostReply(str(unreadable)) from None

    def do(self, grant: Grant, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Write once; the answer says nothing that is needed. Raises `LostReply` when the write may have happened."""
        self._authorised(method, f"{self._url}{path}", grant, body=body)

    def close(self) -> None:
        """Close this thread's connections; those of other threads end with them."""
        self._thread.session.close()

    def _read(self, url: str, grant: Grant, query: Mapping[str, str | int]) -> _Answer:
        for attempt in range(_RETRIES):
            try:
                return self._follow(url, grant, query)
            except LostReply:
                time.sleep((attempt + 1) ** 2 * self._backoff)
        return self._follow(url, grant, query)

    def _follow(self, url: str, grant: Grant, query: Mapping[str, str | int]) -> _Answer:
        target = url
        for _ in range(_HOPS):
            answer = self._authorised("GET", target, grant, query=query)
            if not answer.moved_to:
                return answer
            target, query = _joined(target, answer.moved_to), {}
        raise Rejected(f"GitHub redirects GET {urlsplit(url).path} in circles")

    def _authorised(self, method: str, url: str, grant: Grant, **content: Any) -> _Answer:
        """Send with a token, and once more with a new one when GitHub refused it, since then nothing has happened."""
        if _origin(url) != _origin(self._url):
            return self._exchange(method, url, None, **content)
        token = self._credentials.token(grant)
        try:
            return self._exchange(method, url, token, **content)
        except Unauthorized:
            if not self._credentials.forget(token):
                raise
        return self._exchange(method, url, self._credentials.token(grant), **content)

    def _exchange(
        self,
        method: str,
        url: str,
        token: str | None,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> _Answer:
        what = f"{method} {urlsplit(url).path}"
        operation = operation_of(method, urlsplit(url).path)
        fail(operation, "before")
        try:
            response = self._thread.session.request(
                method,
                url,
                params=query,
                json=body,
                headers=_HEADERS,
                auth=_Bearer(token),
                timeout=_TIMEOUTS,
                allow_redirects=False,
                hooks={"response": lambda *_, **__: fail(operation, "sent")},
            )
        except (requests.RequestException, ValueError) as error:  # ValueError: a redirect to what is no URL
            # The cause holds the request and so the token; its name is enough.
            raise LostReply(f"GitHub did not answer {what}: {type(error).__name__}") from None
        if failed := failure(response, what, self._credentials.settings, time.time()):
            raise failed
        answer = _read_answer(response, what)
        fail(operation, "done")
        return answer


class _Bearer(requests.auth.AuthBase):
    """Sets the header itself: without an `auth`, requests would put a password of ~/.netrc in its place."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class _Answer:
    """What came back: JSON, the next page's URL, or where the thing has moved."""

    data: Any = None
    next_page: str = ""
    moved_to: str = ""


def _read_answer(response: requests.Response, what: str) -> _Answer:
    if response.status_code in _MOVED:
        return _Answer(moved_to=response.headers.get("Location", "?"))
    try:
        data = from_json(response.content) if response.content else None
    except ValueError:
        raise LostReply(f"GitHub's answer to {what} is not JSON") from None
    return _Answer(data=data, next_page=response.links.get("next", {}).get("url", ""))


def failure(response: requests.Response, what: str, settings: str, now: float) -> IntegrationError | None:
    """GitHub's refusal in our words; None when it did not refuse. `now` is Unix seconds.

    Source: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api"""
    status = response.status_code
    if status < 300 or (status in _MOVED and response.request.method == "GET"):
        return None
    if status == 408 or status >= 500:
        return LostReply(f"GitHub failed at {what} with status {status}")
    message = _message(response)
    if (wait := _pause(response, message, now)) is not None:
        return Unavailable(f"GitHub limits our rate at {what}: {message}", wait)
    match status:
        case 401:
            return Unauthorized(f"GitHub refuses our credentials at {what}: renew {settings}")
        case 403:
            needed = response.headers.get("X-Accepted-GitHub-Permissions") or "it did not say which"
            return Rejected(f"GitHub forbids {what}: {message}; permission needed: {needed} (see {settings})")
        case 404 | 410:
            return NotFound(f"GitHub has no {what}, or hides it from us: {message}")
        case 405 | 409 if message.startswith(_MERGE_RACES):
            return Unavailable(f"GitHub cannot {what} just now: {message}", 5.0)
        case 409:
            return Conflict(f"GitHub refuses {what}: {message}")
    if status in _MOVED:
        return Rejected(f"GitHub moved what {what} writes to: set the repository's new name")
    return Rejected(f"GitHub refuses {what}: {message}")


def _pause(response: requests.Response, message: str, now: float) -> float | None:
    """Seconds until GitHub wants to hear from us again; None when this is not about rates.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"""
    if response.status_code not in (403, 429):
        return None
    headers = response.headers
    if headers.get("Retry-After", "").isdecimal():
        return float(headers["Retry-After"])
    if headers.get("X-RateLimit-Remaining") == "0" and headers.get("X-RateLimit-Reset", "").isdecimal():
        return max(1.0, float(headers["X-RateLimit-Reset"]) - now + 1)
    secondary = any(words in message.lower() for words in _SECONDARY_LIMIT)
    return 60.0 if secondary or response.status_code == 429 else None


def _message(response: requests.Response) -> str:
    """GitHub's own words in one line of at most 300 characters."""
    try:
        said = from_json(response.content)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return f"status {response.status_code}"
    errors = said.get("errors")
    details = [_detail(error) for error in errors] if isinstance(errors, list) else []
    return " ".join("; ".join([str(said.get("message", "")), *details]).split())[:300]


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or f"{error.get('resource')}.{error.get('field')} {error.get('code')}")


def _shaped(shape: type[Shape], data: Any, path: str) -> Shape:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        raise Rejected(f"GitHub's answer to {path} cannot be read: {complaint(error)}") from None


def _joined(url: str, reference: str) -> str:
    try:
        joined = urljoin(url, reference)
        _origin(joined)
    except ValueError:
        raise Rejected(
            f"GitHub's answer to {urlsplit(url).path} points to {reference[:100]!r}, which is no URL"
        ) from None
    return joined


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
