"""Linear's GraphQL endpoint over HTTP: one connection per thread, errors mapped to `Unavailable` and `Rejected`.

Called by `trackers.linear` only. Retries queries, never mutations (the caller retries those under the same
client-generated id). No credential gets into a message or a log line.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import requests
import structlog
from gql import Client, GraphQLRequest
from gql.client import SyncClientSession
from gql.transport.exceptions import TransportConnectionFailed, TransportError, TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from graphql import DocumentNode, OperationType, get_operation_ast, parse
from graphql.utilities import separate_operations
from requests.auth import AuthBase

from integrations.errors import (
    Conflict,
    Forbidden,
    IntegrationError,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    WrongEndpoint,
    hide_secret,
)
from integrations.failpoints import fail
from integrations.outward import check_outward
from integrations.request_budget import LocalBuckets, RequestBudget, shared_budget
from integrations.server_time import read_time, server_clock
from integrations.trackers.linear.credentials import Credential, FixedCredential
from integrations.transport import OversizedResponse, find_setup_problem, mount_bounds, parse_json
from integrations.values import clean_value
from integrations.waits import LONGEST_WAIT, parse_reset, parse_retry_after

log = structlog.get_logger(__name__)

READ_RETRIES: Final = 2
BUDGET: Final = "linear"  # the name of the only workspace's request allowance
REFILL_FRACTION, MIN_WAIT = 0.01, 15.0  # refill is continuous: 1 % is enough to continue
_MAX_MESSAGE: Final = 300  # characters of Linear's error text in a message
_SCOPE: Final = re.compile(r"`([^`]+)`")
_BUCKETS: Final = ("requests", "complexity", "endpoint-requests")

# Values of `extensions.type` in the SDK (packages/sdk/src/error.ts).
_TRANSIENT: Final = {"internal error", "lock timeout", "network error"}
_FINAL: Final = {
    "invalid input", "user error", "graphql error", "usage limit exceeded", "feature not accessible"
}  # fmt: skip


@cache
def load_documents() -> dict[str, DocumentNode]:
    """The documents of `operations.graphql` and `setup.graphql` by operation name, with their fragments. Cached."""
    files = (Path(__file__).with_name(f"{name}.graphql") for name in ("operations", "setup"))
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return separate_operations(parse(source, no_location=True))


class _Authorization(AuthBase):
    """Signs the requests of one connection. An `auth` object, because requests lets ~/.netrc replace a plain
    Authorization header."""

    def __init__(self, value: str = "") -> None:
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one request."""
        request.headers["Authorization"] = self.value
        return request


class _Connection(threading.local):
    """A thread's connection, with status and headers of its last response, which gql does not expose."""

    def __init__(self, url: str, timeout: int) -> None:
        self.operation = ""
        self.authorization = _Authorization()
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._content = b""
        self._transport = RequestsHTTPTransport(
            url,
            headers={"User-Agent": "Loopline"},
            auth=self.authorization,
            timeout=timeout,
            json_deserialize=lambda _: _parse_body(self._content),
            allow_redirects=False,
            hooks={"response": self._store_response},
        )
        self._client = Client(transport=self._transport)
        self._session: SyncClientSession | None = None
        self._process = os.getpid()

    def execute(self, request: GraphQLRequest) -> dict[str, Any]:
        """Connects on first use, and again in a forked child, which must not use its parent's socket."""
        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        if self._session is None:
            self._session = self._client.connect_sync()  # type: ignore[no-untyped-call]
            if self._transport.session:
                mount_bounds(self._transport.session)
        return self._session.execute(request)

    def close(self) -> None:
        self._transport.close()  # type: ignore[no-untyped-call]
        self._session = None

    def _store_response(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self.status, self.headers, self._content = response.status_code, response.headers, response.content
        server_clock("linear").observe(response.headers, response.elapsed.total_seconds())
        fail(f"linear.{self.operation}", "sent")


class HiddenTeam(Rejected):
    """The credential cannot see a team of this key."""


class LinearClient:
    """Executes documents by name. `url` is the GraphQL endpoint; `timeout` is in seconds, to connect and per read;
    `credential` replaces key and token."""

    def __init__(
        self,
        url: str,
        api_key: str = "",
        access_token: str = "",
        timeout: int = 20,
        credential: Credential | None = None,
    ) -> None:
        self._credential: Credential = credential or FixedCredential(api_key, access_token)
        self._connection = _Connection(url, timeout)
        self._own_budget = RequestBudget(LocalBuckets())
        self._allowance = f"{BUDGET}:{self._credential.workspace}".rstrip(":")

    @property
    def credential(self) -> AuthBase:
        """Signs a request to Linear's other hosts."""
        return _Authorization(self._credential.authorization())

    @property
    def _budget(self) -> RequestBudget:
        return shared_budget() or self._own_budget

    def close(self) -> None:
        """Close the calling thread's connection; those of other threads end with their threads."""
        self._connection.close()

    def run(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Execute `operation` and return the response's `data`. Raises `Unavailable` or a `Rejected`, also for GraphQL
        errors under HTTP 200.

        Queries are retried twice when the connection breaks, mutations never.
        """
        document = load_documents()[operation]
        request = GraphQLRequest(document, variable_values=clean_value(variables), operation_name=operation)
        parsed = get_operation_ast(document)
        is_query = parsed is not None and parsed.operation is OperationType.QUERY
        retries = READ_RETRIES if is_query else 0
        if not is_query:
            check_outward()
        renewed = False
        while True:
            signature = self._connection.authorization.value = self._credential.authorization()
            try:
                return self._send(operation, request)
            except WrongEndpoint:
                raise
            except Unauthorized:  # a refused request has no effect, so it is repeated once with another token
                if renewed or not self._credential.renew(signature):
                    raise
                renewed = True
            except TransportConnectionFailed as error:
                if retries == 0 or not _is_broken_connection(error.__cause__):
                    raise _classify_connection_error(operation, error.__cause__) from error
                retries -= 1

    def _send(self, operation: str, request: GraphQLRequest) -> dict[str, Any]:
        connection = self._connection
        connection.operation = operation
        self._budget.take(self._allowance)
        fail(f"linear.{operation}", "before")
        try:
            data = connection.execute(request)
        except TransportConnectionFailed:
            raise
        except TransportQueryError as error:
            raise self._to_error(operation, _as_mapping(error.errors[0] if error.errors else None)) from error
        except TransportError as error:
            raise self._to_error(operation, {}) from error
        self._note_response(operation)
        fail(f"linear.{operation}", "done")
        return data

    def _to_error(self, operation: str, error: Mapping[str, Any]) -> IntegrationError:
        connection = self._connection
        self._note_response(operation)
        wait = seconds_until_refill(connection.headers, read_time(connection.headers))
        message = str(error.get("message"))[:_MAX_MESSAGE]
        log.info("linear request failed", operation=operation, status=connection.status, error=message)
        if not error and _is_wrong_endpoint(connection.status, connection.headers):
            return WrongEndpoint(
                f"LINEAR_API_URL does not answer as Linear's API (HTTP {connection.status} without a GraphQL response "
                f"to {operation}): set it to the URL of the GraphQL endpoint"
            )
        failure = classify_error(operation, connection.status, error, wait, self._credential.name)
        if isinstance(failure, RateLimited):
            self._budget.block(self._allowance, failure.retry_after or MIN_WAIT)
        return hide_secret(failure, connection.authorization.value.removeprefix("Bearer "))

    def _note_response(self, operation: str) -> None:
        headers = self._connection.headers
        limit, remaining = (headers.get(f"x-ratelimit-requests-{part}") for part in ("limit", "remaining"))
        self._budget.observe(self._allowance, limit, remaining)
        names = {"complexity": "x-complexity", **{f"{b}_remaining": f"x-ratelimit-{b}-remaining" for b in _BUCKETS[:2]}}
        values = {name: headers.get(header) for name, header in names.items()}
        log.debug("linear response", operation=operation, status=self._connection.status, **values)


def _is_wrong_endpoint(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a response without GraphQL is one of another service, not a failure of Linear."""
    is_page = headers.get("content-type", "").lower().startswith("text/html")
    return status in (403, 404, 405, 407, 410) or 300 <= status < 400 or (is_page and status == 200)


def classify_error(
    operation: str, status: int, error: Mapping[str, Any], wait: float | None, credential: str
) -> IntegrationError:
    """The exception for `error` (an entry of `errors`, empty for a body that is not GraphQL) under HTTP `status`."""
    extensions = _as_mapping(error.get("extensions"))
    message = str(error.get("message") or "")
    kind, code = str(extensions.get("type")), extensions.get("code")
    text = str(extensions.get("userPresentableMessage") or message or f"HTTP {status} without a GraphQL response")
    detail = f"{operation}: {text[:_MAX_MESSAGE]}"
    if status == 429 or code == "RATELIMITED" or kind == "ratelimited":
        return RateLimited(f"Linear rate limit exceeded: {detail}", wait)
    if status == 401 or code == "AUTHENTICATION_ERROR" or kind == "authentication error":
        return Unauthorized(f"Linear refused the credential in {credential}: create a new one and set it there")
    if message.startswith("Invalid scope") or code == "FORBIDDEN" or kind == "forbidden":
        return _build_forbidden(detail, message)
    if message.startswith("Entity not found"):
        return NotFound(f"Linear found no such entity: {detail}")
    if message.startswith("conflict on insert"):
        return Conflict(f"Linear already has this entity: {detail}")
    final = extensions.get("userError") is True or kind in _FINAL or 400 <= status < 500
    if final and kind not in _TRANSIENT and status != 408:
        return Rejected(f"Linear refused {detail}")
    return Unavailable(f"Linear failed: {detail}")


def _build_forbidden(detail: str, message: str) -> Forbidden:
    """Names the scope: the message is 'Invalid scope: `x:read` or `x:write` required'."""
    scopes = " or ".join(_SCOPE.findall(message)) if message.startswith("Invalid scope") else ""
    fix = f"the scope {scopes}" if scopes else "access to the team and the action"
    return Forbidden(f"Linear forbids {detail}; give Loopline's account there {fix}", scopes)


def seconds_until_refill(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the exhausted rate limit has refilled enough to continue; None without rate limit headers.

    `X-RateLimit-*-Reset`, in epoch milliseconds, is the time of a full refill, up to an hour away, so only a fraction
    of it is waited for. Buckets that are not exhausted count only when no bucket is."""
    if (seconds := parse_retry_after(headers, now)) is not None:
        return seconds
    found = {name: parse_reset(headers.get(f"x-ratelimit-{name}-reset"), now) for name in _BUCKETS}
    resets = {name: seconds for name, seconds in found.items() if seconds is not None}
    spent = [seconds for name, seconds in resets.items() if headers.get(f"x-ratelimit-{name}-remaining") == "0"]
    full = max(spent) if spent else min(resets.values(), default=None)
    return None if full is None else min(full, max(min(full, LONGEST_WAIT) * REFILL_FRACTION, MIN_WAIT))


def _as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _parse_body(content: bytes) -> dict[str, Any]:
    """The body as a GraphQL response. Raises ValueError otherwise, which gql turns into a TransportError."""
    body = parse_json(content)
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(body, dict) and (isinstance(body.get("data"), dict) or (errors and isinstance(errors, list))):
        return body
    raise ValueError("not a GraphQL response")


def _is_broken_connection(cause: BaseException | None) -> bool:
    """Whether the connection broke. A timeout is not retried here: the caller's lease would expire meanwhile."""
    broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    return isinstance(cause, broken) and not isinstance(cause, requests.Timeout)


def _classify_connection_error(operation: str, cause: BaseException | None) -> IntegrationError:
    """The exception for an error of `requests`, which gql wraps: also those for NaN, unknown objects and bad URLs."""
    name = type(cause).__name__
    if isinstance(cause, OversizedResponse):
        return Rejected(f"Linear's response to {operation} cannot be used: {cause}")
    if cause and (problem := find_setup_problem(cause, "LINEAR_API_URL")):
        return WrongEndpoint(problem)
    if isinstance(cause, ValueError | TypeError | requests.exceptions.InvalidJSONError):
        return Rejected(f"{operation} cannot be sent ({name}): its values are not JSON")
    return Unavailable(f"Linear cannot be reached for {operation} ({name}): check the network and LINEAR_API_URL")
