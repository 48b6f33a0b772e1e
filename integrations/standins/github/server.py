"""The stand-in as one Flask application. Called by `__main__` and by tests; it has no rules of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RuleFactory

from integrations.standins.github import ci, lfs, manifests, pages, rest, smart_http
from integrations.standins.github.graphql import endpoint
from integrations.standins.github.hub import Hub
from integrations.standins.github.places import apply_place
from integrations.standins.github.problems import Problem
from integrations.standins.github.records import Place
from integrations.standins.github.routes import actions, sources
from integrations.standins.github.seed import Seed
from integrations.standins.wire import WEBHOOK_FAULTS, Webhook, add_controls, serve

__all__ = ["GitHub", "Webhook", "create_app", "serve"]


class _Compiled(Map):
    """Takes no rules, because those of an earlier application are used."""

    def add(self, rulefactory: RuleFactory) -> None:
        """Ignore the rule."""


class GitHub(Flask):
    """The application. `hub` is its state; `close` ends its background work."""

    hub: Hub
    routes: ClassVar[Map | None] = None
    """The compiled rules, which are the same in all applications; compiling them takes most of a start."""

    def close(self) -> None:
        self.hub.close()


def create_app(
    home: Path, seed: Mapping[str, Any], *, webhook: Webhook | None = None, beside: Path | None = None
) -> GitHub:
    """The application with its state in `home`, and people, Apps and repositories from `seed`.

    Relative paths in the seed are relative to `beside` (default: the working directory). `webhook` gets the events of
    the Apps, and of the repositories without one. Raises `pydantic.ValidationError` for an invalid seed."""
    app = GitHub(__name__, static_folder=None)
    if GitHub.routes:
        app.url_map = _Compiled()
    home.mkdir(parents=True, exist_ok=True)
    app.hub = Hub(home.resolve(), Seed.model_validate(seed), beside or Path.cwd(), webhook)
    for place in app.hub.store.all(Place):
        apply_place(app.hub, place)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for edge in (rest, endpoint, smart_http, lfs, manifests, pages, ci, actions, sources):
        app.register_blueprint(edge.blueprint(app.hub))
    add_controls(app, app.hub.log.entries, app.hub.faults, (*rest.BEFORE, *rest.AFTER, *WEBHOOK_FAULTS))
    app.register_error_handler(HTTPException, _no_such_page)
    GitHub.routes = app.url_map = GitHub.routes or app.url_map
    return app


def _no_such_page(error: HTTPException) -> Response:
    """GitHub's JSON for an unknown address or method."""
    code = error.code or 500
    return rest.problem_response(Problem(code, "Not Found" if code in (404, 405) else error.name))
