"""The local Linear as a WSGI application: GraphQL, its log and its faults; the board page hangs on as a blueprint.

Started by `python -m integrations.standins.linear` and by tests. It must not be imported by the product.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, jsonify, request
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue
from graphql import DocumentNode

from integrations.standins import wire
from integrations.standins.linear import errors
from integrations.standins.linear.context import Context
from integrations.standins.linear.execute import Answer, execute, names_of, prepare, refusal, schema
from integrations.standins.linear.faults import read_fault
from integrations.standins.linear.limits import (
    COMPLEXITY_PER_HOUR,
    COMPLEXITY_PER_QUERY,
    Allowance,
    Bucket,
    complexity,
)
from integrations.standins.linear.page import KEY_COOKIE, board
from integrations.standins.linear.seed import seed_rows, tokens, webhook_row
from integrations.standins.linear.store import SEEDED, Row, Store
from integrations.standins.linear.webhooks import Webhooks

serve = wire.serve
BEFORE, AFTER = ("rate_limit", "502"), ("lost_reply", "timeout")


@dataclass(frozen=True)
class Subscription:
    """A webhook given at start: every entity of every team, to `url`, signed with `secret`."""

    url: str
    secret: str


class LinearApp(Flask):
    """The application with what it holds: `store`, `webhooks`, `faults`, and user ids by token in `people`."""

    def __init__(self, store: Store, people: Mapping[str, str], retry_seconds: Sequence[float], per_hour: int) -> None:
        super().__init__("integrations.standins.linear")
        self.json = DefaultJSONProvider(self)
        self.json.sort_keys = False
        self.store = store
        self.people = people
        self.faults = wire.Faults()
        self.webhooks = Webhooks(self.faults, retry_seconds)
        self._per_hour = per_hour
        self._allowances: dict[str, Allowance] = {}
        self.register_blueprint(board)
        self.add_url_rule("/graphql", view_func=self.graphql, methods=["POST"])
        self.add_url_rule("/_log", view_func=lambda: jsonify(store.entries()))
        self.add_url_rule("/_faults", view_func=self.change_faults, methods=["GET", "POST", "DELETE"])

    def close(self) -> None:
        """End background work; called by `Served.close`."""
        self.webhooks.close()

    def viewer(self) -> Row | None:
        """Who the request's credentials are of: an API key without a scheme, an OAuth token with `Bearer`, or the board
        page's cookie."""
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
        """What a request of this person is answered with."""
        allowance = self.allowance(viewer).status()
        return Context(self.store, viewer, request.host_url.rstrip("/"), allowance, self.webhooks.announce)

    def allowance(self, viewer: Row) -> Allowance:
        """What is left of the person's hour."""
        fresh = Allowance(Bucket(self._per_hour), Bucket(COMPLEXITY_PER_HOUR))
        return self._allowances.setdefault(viewer["id"], fresh)

    def graphql(self) -> ResponseReturnValue:
        """`POST /graphql`: JSON with `query`, `variables` and `operationName`."""
        viewer = self.viewer()
        if viewer is None:
            return errors.unauthenticated(), 401
        content = request.get_json(silent=True)
        if not isinstance(content, dict) or not isinstance(content.get("query"), str):
            return {"errors": [errors.refused_document("the body must be a JSON object with a query")]}, 400
        variables = content.get("variables") or {}
        document = prepare(content["query"])
        if isinstance(document, list):
            return *refusal(document), self.allowance(viewer).headers(0)
        cost = complexity(schema(), document, variables)
        answer = self._run(viewer, document, variables, content.get("operationName"), cost)
        return *answer, self.allowance(viewer).headers(cost)

    def _run(
        self, viewer: Row, document: DocumentNode, variables: Mapping[str, Any], operation: str | None, cost: int
    ) -> Answer:
        names, allowance = names_of(document), self.allowance(viewer)
        fault = self.faults.take(names, BEFORE)
        if fault and fault.kind == "502":
            return errors.internal(), 500
        if fault or not (allowance.requests.take(1) and allowance.points.take(cost)):
            return errors.rate_limited(allowance.requests.allowed), 400
        if cost > COMPLEXITY_PER_QUERY:
            return {"errors": [errors.refused_document(f"Query too complex: {cost} of {COMPLEXITY_PER_QUERY}")]}, 400
        answer = execute(self.context(viewer), document, variables, operation)
        fault = self.faults.take(names, AFTER)
        if fault and fault.kind == "timeout":
            time.sleep(fault.seconds or 30.0)
        elif fault:
            wire.drop_connection(request.environ)
        return answer

    def change_faults(self) -> ResponseReturnValue:
        """`/_faults`: POST adds one, DELETE forgets all, GET tells what is still to come."""
        if request.method == "DELETE":
            self.faults.clear()
        if request.method == "POST":
            try:
                self.faults.add(read_fault(request.get_json()))
            except ValueError as error:
                return {"error": str(error)}, 400
        return jsonify(self.faults.waiting())


def create_app(
    home: Path,
    seed: Mapping[str, Any],
    *,
    webhooks: Sequence[Subscription] = (),
    retry_seconds: Sequence[float] = (1.0, 3.0, 9.0),
    requests_per_hour: int = 5000,
) -> LinearApp:
    """The application with its state in `home`; what is there already goes before `seed`.

    Raises `ValueError` when the seed contradicts itself."""
    store = Store(home / "writes.jsonl")
    store.plant(seed_rows(seed, store.now))
    _subscribe(store, webhooks)
    return LinearApp(store, tokens(seed), retry_seconds, requests_per_hour)


def _subscribe(store: Store, webhooks: Sequence[Subscription]) -> None:
    """Have these subscriptions as they are given now, also when the home knows them with another secret."""
    rows = [webhook_row(webhook.url, webhook.secret, store.now()) for webhook in webhooks]
    known = {row["id"]: row["secret"] for row in store.rows("Webhook")}
    if new := [row for row in rows if known.get(row["id"]) != row["secret"]]:
        store.commit("", SEEDED, {}, "", new)
