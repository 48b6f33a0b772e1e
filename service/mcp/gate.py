"""The ASGI application in front of the SDK's: routes, tokens, and limits of requests. It reads no body.

Refused requests count by address and accepted ones by token, after the token was verified: behind a reverse proxy all
clients have one address, and a stranger must not block the others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import structlog
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from redis import Redis
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from jobs.store.access_tokens import AccessToken, AccessTokens
from service.refusals import HEADERS
from service.version import VERSION

PATH = "/mcp"
REQUESTS, REFUSALS, LOGGED = 120, 60, 120
"""In a minute: requests of one token; refusals of one address that get their reason; all refusals that are logged."""
WAIT_SECONDS = 60
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Refusal:
    """A response without the SDK: status, sentence, and further headers."""

    status: int
    sentence: str
    headers: tuple[tuple[str, str], ...] = ()


_WAIT = (("Retry-After", str(WAIT_SECONDS)),)
_NO_TOKEN = Refusal(
    401,
    "The token is missing, unknown, expired or revoked: send Authorization: Bearer <token>, with a token of "
    "`loopline token create`.",
    (("WWW-Authenticate", "Bearer"),),
)
_NO_REDIS = Refusal(503, "Redis does not respond, so tokens cannot be verified: retry later.", (("Retry-After", "5"),))


class Gate:
    """Passes a POST to `/mcp` with a valid token on to `app`; the token is `scope["state"]["token"]` there."""

    def __init__(self, app: ASGIApp, redis: Redis) -> None:
        self._app, self._tokens = app, AccessTokens(redis)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._requests, self._refusals, self._logged = map(RateLimitItemPerMinute, (REQUESTS, REFUSALS, LOGGED))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["path"] == "/healthz":
            await _respond(200, {"ok": True, "version": VERSION}, (), scope, receive, send)
            return
        found = await self._check(scope)
        if isinstance(found, Refusal):
            await _respond(found.status, {"error": found.sentence}, found.headers, scope, receive, send)
            return
        scope.setdefault("state", {})["token"] = found
        await self._app(scope, receive, send)

    async def _check(self, scope: Scope) -> AccessToken | Refusal:
        if scope["path"] != PATH:
            return Refusal(404, f"There is nothing at this path: the MCP server is at {PATH}.")
        if scope["method"] != "POST":
            return Refusal(405, "Only POST is supported: this server keeps no sessions and no streams.", _ALLOW)
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        text = given.strip() if scheme.lower() == "bearer" else ""
        try:
            token = await anyio.to_thread.run_sync(self._tokens.verify, text, time.time())
        except RedisError as error:
            _log.warning("Redis unavailable", reason=str(error))
            return _NO_REDIS
        if token is None:
            return self._refuse(str((scope.get("client") or ("unknown",))[0]))
        if not self._limiter.hit(self._requests, "token", token.id):
            return Refusal(429, f"More than {REQUESTS} requests in a minute: wait {WAIT_SECONDS} s.", _WAIT)
        return token

    def _refuse(self, address: str) -> Refusal:
        if self._limiter.hit(self._logged, "log"):
            _log.warning("token refused", client=address)
        if self._limiter.hit(self._refusals, "address", address):
            return _NO_TOKEN
        return Refusal(429, f"Too many refused tokens from {address}: wait {WAIT_SECONDS} s.", _WAIT)


_ALLOW = (("Allow", "POST"),)


async def _respond(
    status: int, body: Any, headers: tuple[tuple[str, str], ...], scope: Scope, receive: Receive, send: Send
) -> None:
    await JSONResponse(body, status, dict(HEADERS) | dict(headers))(scope, receive, send)
