"""The local Linear as a WSGI application: GraphQL, the log of writes, faults, and the board page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from flask import Flask, request, send_from_directory
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue
from graphql import DocumentNode
from werkzeug.utils import secure_filename

from integrations.standins import wire
from integrations.standins.linear import errors, oauth, page
from integrations.standins.linear.execute import Answer, execute, names_of, needed_scopes, prepare, refusal
from integrations.standins.linear.oauth import Apps
from integrations.standins.linear.seed import seed_rows, tokens, webhook_row
from integrations.standins.linear.store import SEEDED, Row, Store
from integrations.standins.linear.workspace import Workspace
from integrations.standins.wire import add_controls

Subscription: TypeAlias = wire.Webhook
serve = wire.serve
# Faults that replace the execution of an operation, and those of its answer.
BEFORE, AFTER = ("ratelimited", "500"), ("lost_reply",)


class LinearApp(Flask):
    """The application; `store` and `webhooks` are those of its workspace."""

    def __init__(self, workspace: Workspace, apps: Apps, home: Path) -> None:
        super().__init__("integrations.standins.linear")
        self._home = home.absolute()
        self.json = DefaultJSONProvider(self)
        self.json.sort_keys = False
        self.store, self.webhooks = workspace.store, workspace.webhooks
        self._workspace = workspace
        self.apps = apps
        workspace.find_app = apps.user_of
        self.register_blueprint(page.blueprint(workspace))
        self.register_blueprint(oauth.blueprint(workspace, apps))
        self.add_url_rule("/graphql", view_func=self.graphql, methods=["POST"])
        self.add_url_rule("/uploads/<name>", view_func=self.uploads, methods=["GET", "PUT"])
        self.add_url_rule("/_clock", view_func=self.advance_clock, methods=["POST"])
        add_controls(self, self.store.entries, workspace.faults, (*BEFORE, *AFTER, *wire.WEBHOOK_FAULTS))

    def close(self) -> None:
        """End background work; called by `Served.close`."""
        self.webhooks.close()

    def graphql(self) -> ResponseReturnValue:
        """`POST /graphql`: JSON with `query`, `variables` and `operationName`."""
        viewer = self._workspace.viewer()
        if viewer is None:
            return errors.unauthenticated(), 401
        content = request.get_json(silent=True)
        if not isinstance(content, dict) or not isinstance(content.get("query"), str):
            return {"errors": [errors.refused_document("the body must be a JSON object with a query")]}, 400
        document, allowance = prepare(content["query"]), self._workspace.allowance(viewer)
        if not isinstance(document, list) and (missing := needed_scopes(document) - self._workspace.scopes()):
            return errors.missing_scope(min(missing)), 400
        answer = refusal(document) if isinstance(document, list) else self._run(viewer, document, content)
        return *answer, allowance.headers()

    def uploads(self, name: str) -> ResponseReturnValue:
        """An uploaded file, for callers with a credential, as on Linear's host for uploads. PUT uploads one."""
        if self._workspace.viewer() is None:
            return "unauthorized", 401
        folder = self._home / "uploads"
        if request.method == "PUT":
            folder.mkdir(exist_ok=True)
            (folder / secure_filename(name)).write_bytes(request.get_data())
            return "", 201
        return send_from_directory(folder, secure_filename(name))

    def advance_clock(self) -> ResponseReturnValue:
        """`POST /_clock`: {"advance_seconds": N} puts the stand-in's clock forward."""
        with self.store.lock:
            self.store.ahead += timedelta(seconds=float(request.get_json()["advance_seconds"]))
            return {"now": self.store.now()}

    def _run(self, viewer: Row, document: DocumentNode, content: Mapping[str, Any]) -> Answer:
        names, allowance, faults = names_of(document), self._workspace.allowance(viewer), self._workspace.faults
        fault = faults.take(names, BEFORE)
        if fault and fault.kind == "500":
            return errors.internal(), 500
        if fault or not allowance.take():
            return errors.rate_limited(allowance.allowed), 400
        variables, operation = content.get("variables") or {}, content.get("operationName")
        answer = execute(self._workspace.context(viewer), document, variables, operation)
        if faults.take(names, AFTER):
            wire.drop_connection(request.environ)
        return answer


def create_app(
    home: Path,
    seed: Mapping[str, Any],
    *,
    webhooks: Sequence[Subscription] = (),
    retry_seconds: Sequence[float] = (1.0, 3.0, 9.0),
    requests_per_hour: int = 5000,
    clock: Callable[[], float] = time.monotonic,
) -> LinearApp:
    """The application with its state in `home`, which takes precedence over `seed`.

    Raises `ValueError` when the seed contradicts itself."""
    store = Store(home / "writes.jsonl")
    store.plant(seed_rows(seed, store.now))
    _subscribe(store, webhooks)
    workspace = Workspace(store, tokens(seed), retry_seconds, requests_per_hour, clock)
    return LinearApp(workspace, Apps(seed, home / "oauth.json"), home)


def _subscribe(store: Store, webhooks: Sequence[Subscription]) -> None:
    """Store these subscriptions, also when `home` has them with another secret."""
    rows = [webhook_row(webhook.url, webhook.secret, store.now()) for webhook in webhooks]
    known = {row["id"]: row["secret"] for row in store.rows("Webhook")}
    if new := [row for row in rows if known.get(row["id"]) != row["secret"]]:
        store.commit("", SEEDED, {}, "", new)
