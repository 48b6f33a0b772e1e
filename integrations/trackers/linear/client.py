"""Linear's GraphQL over HTTP: one connection per thread, every failure put into our two words.

Called by `trackers.linear` only. It knows no ticket and no comment. It never sends a mutation twice by itself (the
caller repeats it under the same client-made id), and no credential gets into a message or a log line.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
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

from integrations.errors import Conflict, IntegrationError, NotFound, Rejected, Unauthorized, Unavailable
from integrations.failpoints import fail

log = structlog.get_logger(__name__)

READ_RETRIES: Final = 2
LONGEST_WAIT: Final = 3600.0  # seconds; Linear's buckets are full again within the hour
REFILLED, SHORTEST_WAIT = 0.01, 15.0  # they fill evenly: after a hundredth of the time there is enough to go on
_SAID_AT_MOST: Final = 300  # characters of Linear's own words in a message
_ALLOWANCES: Final = ("requests", "complexity", "endpoint-requests")

# `extensions.type` values as the SDK knows them (packages/sdk/src/error.ts).
_PASSING: Final = {"internal error", "lock timeout", "network error"}
_FINAL: Final = {
    "invalid input",
    "forbidden",
    "user error",
    "graphql error",
    "usage limit exceeded",
    "feature not accessible",
}


@dataclass(frozen=True)
class RateLimit:
    """What is left of the hour's allowance by the last answer; None where it said nothing. `reset` is Unix seconds."""

    requests_remaining: int | None = None
    complexity_remaining: int | None = None
    reset: float | None = None


@cache
def documents() -> dict[str, DocumentNode]:
    """Every document of `operations.graphql` by operation name, each with the fragments that it uses."""
    source = Path(__file__).with_name("operations.graphql").read_text(encoding="utf-8")
    return separate_operations(parse(source, no_location=True))


class Credential(AuthBase):
    """An API key is sent bare, an OAuth token as a bearer (linear.app/developers/graphql); the token wins.

    It is an `auth` object because requests would let ~/.netrc replace a plain Authorization header.
    """

    def __init__(self, api_key: str, access_token: str) -> None:
        self.name = "LINEAR_ACCESS_TOKEN" if access_token else "LINEAR_API_KEY"
        self._header = f"Bearer {access_token}" if access_token else api_key
        value = access_token or api_key
        if not value:
            raise Unauthorized("LINEAR_API_KEY and LINEAR_ACCESS_TOKEN are both empty: Linear needs one of them")
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise Unauthorized(f"{self.name} holds a blank or another character no header can carry: copy it again")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one request."""
        request.headers["Authorization"] = self._header
        return request


class _Line(threading.local):
    """One thread's connection, and the status and headers of its last answer, which gql does not hand out."""

    def __init__(self, url: str, credential: Credential, timeout: int) -> None:
        self.operation = ""
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._transport = RequestsHTTPTransport(
            url,
            headers={"User-Agent": "Loopline"},
            auth=credential,
            timeout=timeout,
            json_deserialize=_graphql_answer,
            allow_redirects=False,
            hooks={"response": self._note},
        )
        self._client = Client(transport=self._transport)
        self._session: SyncClientSession | None = None
        self._process = os.getpid()

    def execute(self, request: GraphQLRequest) -> dict[str, Any]:
        """Connects on first use, and again in a forked child, which must not write into its parent's socket."""
        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        if self._session is None:
            self._session = self._client.connect_sync()  # type: ignore[no-untyped-call]
        return self._session.execute(request)

    def close(self) -> None:
        self._transport.close()  # type: ignore[no-untyped-call]
        self._session = None

    def _note(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self.status, self.headers = response.status_code, response.headers
        fail(f"linear.{self.operation}", "sent")


class LinearClient:
    """Sends documents by name. `url` is the GraphQL endpoint; `timeout` is seconds to connect and between two bytes."""

    def __init__(self, url: str, api_key: str = "", access_token: str = "", timeout: int = 20) -> None:
        self._credential = Credential(api_key, access_token)
        self._line = _Line(url, self._credential, timeout)
        self.rate_limit = RateLimit()

    def close(self) -> None:
        """Close the calling thread's connection; other threads' go with their threads."""
        self._line.close()

    def run(self, operation: str, **variables: Any) -> dict[str, Any]:
        """The answer's `data`. Raises `Unavailable` or a `Rejected`; errors under HTTP 200 count as errors.

        Queries are sent up to three times when the connection breaks, mutations once.
        """
        document = documents()[operation]
        request = GraphQLRequest(document, variable_values=variables, operation_name=operation)
        retries = READ_RETRIES if _reads(document) else 0
        while True:
            try:
                return self._send(operation, request)
            except TransportConnectionFailed as error:
                if retries == 0 or not _broke(error.__cause__):
                    raise _unreachable(operation, error.__cause__) from error
                retries -= 1

    def _send(self, operation: str, request: GraphQLRequest) -> dict[str, Any]:
        line = self._line
        line.operation = operation
        fail(f"linear.{operation}", "before")
        try:
            answer = line.execute(request)
        except TransportConnectionFailed:
            raise
        except TransportQueryError as error:
            raise self._failure(operation, _mapping(error.errors[0] if error.errors else None)) from error
        except TransportError as error:
            raise self._failure(operation, {}) from error
        self._keep_rate_limit(operation)
        fail(f"linear.{operation}", "done")
        return answer

    def _failure(self, operation: str, error: Mapping[str, Any]) -> IntegrationError:
        line = self._line
        self._keep_rate_limit(operation)
        wait = retry_after(line.headers, time.time())
        failed = failure(operation, line.status, error, wait, self._credential.name)
        log.info(
            "linear refused", operation=operation, status=line.status, said=str(error.get("message"))[:_SAID_AT_MOST]
        )
        return failed

    def _keep_rate_limit(self, operation: str) -> None:
        line = self._line
        self.rate_limit = limit = rate_limit(line.headers)
        log.debug(
            "linear answered",
            operation=operation,
            status=line.status,
            complexity=line.headers.get("x-complexity"),
            requests_remaining=limit.requests_remaining,
            complexity_remaining=limit.complexity_remaining,
        )


def failure(
    operation: str, status: int, error: Mapping[str, Any], wait: float | None, credential: str
) -> IntegrationError:
    """Which of our words `error` (one entry of `errors`, empty when the answer was no GraphQL) under `status` is."""
    about = _mapping(error.get("extensions"))
    message = str(error.get("message") or "")
    kind, code = about.get("type"), about.get("code")
    said = str(about.get("userPresentableMessage") or message or f"HTTP {status} without a GraphQL answer")
    said = f"{operation}: {said[:_SAID_AT_MOST]}"
    if status == 429 or code == "RATELIMITED" or kind == "ratelimited":
        return Unavailable(f"Linear's rate limit stopped {said}", wait)
    if status == 401 or code == "AUTHENTICATION_ERROR" or kind == "authentication error":
        return Unauthorized(f"Linear refused the credential in {credential}: make a new one and set it there")
    if message.startswith("Entity not found"):
        return NotFound(f"Linear does not find what was named in {said}")
    if message.startswith("conflict on insert"):
        return Conflict(f"Linear has it already, {said}")
    if _is_final(kind, status, user_error=about.get("userError") is True):
        return Rejected(f"Linear refused {said}")
    return Unavailable(f"Linear failed at {said}")


def _is_final(kind: object, status: int, *, user_error: bool) -> bool:
    if kind in _PASSING or status == 408:
        return False
    return user_error or kind in _FINAL or 400 <= status < 500


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until there is enough of the used-up allowance to go on; None when the headers do not say.

    `X-RateLimit-*-Reset`, in epoch milliseconds, is when all of it is there again. Waiting for all would hold a ticket
    for an hour. An allowance that is not named as used up counts only when none is."""
    if (seconds := _number(headers.get("retry-after"))) is not None:
        return min(seconds, LONGEST_WAIT)
    resets = {name: reset for name in _ALLOWANCES if (reset := _number(headers.get(f"x-ratelimit-{name}-reset")))}
    spent = [reset for name, reset in resets.items() if headers.get(f"x-ratelimit-{name}-remaining") == "0"]
    until = max(spent) if spent else min(resets.values(), default=None)
    if until is None:
        return None
    full = min(max(until / 1000 - now, 0.0), LONGEST_WAIT)
    return min(full, max(full * REFILLED, SHORTEST_WAIT))


def rate_limit(headers: Mapping[str, str]) -> RateLimit:
    """The allowances as the headers (requests' mapping, which knows no case) give them."""
    reset = _number(headers.get("x-ratelimit-requests-reset"))
    return RateLimit(
        requests_remaining=_number(headers.get("x-ratelimit-requests-remaining")),
        complexity_remaining=_number(headers.get("x-ratelimit-complexity-remaining")),
        reset=None if reset is None else reset / 1000,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _reads(document: DocumentNode) -> bool:
    operation = get_operation_ast(document)
    return operation is not None and operation.operation is OperationType.QUERY


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _graphql_answer(text: str) -> dict[str, Any]:
    """The body as a GraphQL answer. ValueError otherwise, which gql turns into a TransportError."""
    answer = json.loads(text)
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if isinstance(answer, dict) and (isinstance(answer.get("data"), dict) or (errors and isinstance(errors, list))):
        return answer
    raise ValueError("no GraphQL answer")


def _broke(cause: BaseException | None) -> bool:
    """Whether the connection broke. A timeout is not repeated here: the caller's lease would pass meanwhile."""
    broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    return isinstance(cause, broken) and not isinstance(cause, requests.Timeout)


def _unreachable(operation: str, cause: BaseException | None) -> IntegrationError:
    """gql wraps whatever `requests` raises, so also what it raises for NaN, an odd object or a URL that is none."""
    name = type(cause).__name__
    if isinstance(cause, ValueError | TypeError | requests.exceptions.InvalidJSONError):
        return Rejected(f"{operation} cannot be sent ({name}): its values are not JSON or LINEAR_API_URL is no address")
    return Unavailable(f"Linear cannot be reached for {operation} ({name})")
