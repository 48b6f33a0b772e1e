"""One local Linear: rows, people by token, allowances, faults and webhooks. Used by the server and the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import request

from integrations.standins.linear.context import Context
from integrations.standins.linear.store import Row, Store
from integrations.standins.linear.webhooks import Webhooks
from integrations.standins.wire import Faults

HOUR_MS = 3_600_000
KEY_COOKIE = "linear_key"


class Bucket:
    """A leaky bucket that holds an hour's allowance and refills at a constant rate."""

    def __init__(self, allowed: int, clock: Callable[[], float]) -> None:
        self.allowed = allowed
        self._left = float(allowed)
        self._clock, self._at = clock, clock()

    def take(self) -> bool:
        """Use one request; False when none is left."""
        self._refill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def headers(self) -> dict[str, str]:
        """Linear's headers about requests; the reset is in Unix milliseconds."""
        self._refill()
        full_at_ms = int(time.time() * 1000 + (self.allowed - self._left) / self.allowed * HOUR_MS)
        values = {"Limit": self.allowed, "Remaining": int(self._left), "Reset": full_at_ms}
        return {f"X-RateLimit-Requests-{key}": str(value) for key, value in values.items()}

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self.allowed, self._left + (now - self._at) * self.allowed / 3600)
        self._at = now


class Workspace:
    """`people` are user ids by token; `requests_per_hour` is the allowance of each person, by `clock` in
    seconds; `find_app` returns the user
    id and the scopes of an app's access token."""

    find_app: Callable[[str], tuple[str, frozenset[str]] | None] = staticmethod(lambda _: None)

    def __init__(
        self,
        store: Store,
        people: Mapping[str, str],
        retries: Sequence[float],
        requests_per_hour: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.people = people
        self.faults = Faults()
        self.webhooks = Webhooks(self.faults, retries)
        self._requests_per_hour, self._clock = requests_per_hour, clock
        self._allowances: dict[str, Bucket] = {}

    def viewer(self) -> Row | None:
        """The person of the current request: by an API key without a scheme, an OAuth token with `Bearer`, or the
        cookie of the board page."""
        given = request.headers.get("Authorization", "")
        if not given:
            token = request.cookies.get(KEY_COOKIE, "")
        else:
            token = given.removeprefix("Bearer ")
            if given.startswith("Bearer ") == token.startswith("lin_api_"):
                return None
        app = self.find_app(token)
        user = self.store.get("User", app[0] if app else self.people.get(token))
        return user if user and user["active"] else None

    def scopes(self) -> frozenset[str]:
        """The scopes of the current request; keys have all."""
        app = self.find_app(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return app[1] if app else frozenset({"read", "write"})

    def send(self, kind: str, action: str, about: Mapping[str, Any]) -> None:
        """Send a webhook about the app itself, which needs no subscription to its type."""
        with self.store.lock:
            self.webhooks.send(self.store, kind, action, about)

    def context(self, viewer: Row) -> Context:
        """The context of the current request. The header `X-Acting-As` names an integration that acts in place of the
        caller, and is empty for an automation of the board."""
        bot = request.headers.get("X-Acting-As")
        return Context(self.store, viewer, request.host_url.rstrip("/"), self.webhooks.announce, bot)

    def allowance(self, viewer: Row) -> Bucket:
        """The remaining requests of the person."""
        return self._allowances.setdefault(viewer["id"], Bucket(self._requests_per_hour, self._clock))
