"""One local Linear: rows, people by token, allowances, faults and webhooks. Used by the server and the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

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
    """`people` are user ids by token; `requests_per_hour` is the allowance of each person, by `clock` in seconds."""

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
        user = self.store.get("User", self.people.get(token))
        return user if user and user["active"] else None

    def context(self, viewer: Row) -> Context:
        """The context of the current request."""
        return Context(self.store, viewer, request.host_url.rstrip("/"), self.webhooks.announce)

    def allowance(self, viewer: Row) -> Bucket:
        """The remaining requests of the person."""
        return self._allowances.setdefault(viewer["id"], Bucket(self._requests_per_hour, self._clock))
