"""One local Linear: rows, people by token, allowances, faults and webhooks. Used by the server and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import request

from integrations.standins.linear.context import Context
from integrations.standins.linear.limits import Bucket
from integrations.standins.linear.store import Row, Store
from integrations.standins.linear.webhooks import Webhooks
from integrations.standins.wire import Faults

KEY_COOKIE = "linear_key"


class Workspace:
    """`people` are user ids by token; `requests_per_hour` is the allowance of each person."""

    def __init__(
        self, store: Store, people: Mapping[str, str], retries: Sequence[float], requests_per_hour: int
    ) -> None:
        self.store = store
        self.people = people
        self.faults = Faults()
        self.webhooks = Webhooks(self.faults, retries)
        self._requests_per_hour = requests_per_hour
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
        return self._allowances.setdefault(viewer["id"], Bucket(self._requests_per_hour))
