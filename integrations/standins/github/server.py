"""Puts the stand-in together as one Flask application. Called by `__main__` and by tests; holds no rules of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from integrations.standins.github import pages, rest, smart_http
from integrations.standins.github.hub import Hub, Webhook
from integrations.standins.github.problems import Problem
from integrations.standins.github.seed import Seed
from integrations.standins.wire import Fault, serve

__all__ = ["GitHub", "Webhook", "create_app", "serve"]


class GitHub(Flask):
    """The application. `hub` is what it knows; `close` ends its background work."""

    hub: Hub

    def close(self) -> None:
        self.hub.close()


def create_app(
    home: Path, seed: Mapping[str, Any], *, webhook: Webhook | None = None, beside: Path | None = None
) -> GitHub:
    """A GitHub whose state is in `home`, with what `seed` says on top of what `home` remembers.

    Relative paths in the seed are relative to `beside` (default: the working directory). `webhook` gets the events of
    the Apps, and of the repositories without one. Raises `pydantic.ValidationError` for a wrong seed."""
    app = GitHub(__name__, static_folder=None)
    home.mkdir(parents=True, exist_ok=True)
    app.hub = Hub(home.resolve(), Seed.model_validate(seed), beside or Path.cwd(), webhook)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.register_blueprint(rest.blueprint(app.hub))
    app.register_blueprint(smart_http.blueprint(app.hub))
    app.register_blueprint(pages.blueprint(app.hub))
    _add_controls(app)
    app.register_error_handler(HTTPException, _no_such_page)
    return app


def _add_controls(app: GitHub) -> None:
    """What GitHub does not have: the log of writes, and misbehaviour on request."""

    @app.get("/_log")
    def writes() -> Response:
        return jsonify(app.hub.log.entries())

    @app.get("/_faults")
    def waiting_faults() -> Response:
        return jsonify(app.hub.faults.waiting())

    @app.post("/_faults")
    def add_fault() -> tuple[Response, int]:
        try:
            app.hub.faults.add(Fault.read(request.get_json()))
        except ValueError as error:
            return jsonify({"message": str(error)}), 422
        return jsonify(app.hub.faults.waiting()), 201

    @app.delete("/_faults")
    def clear_faults() -> tuple[str, int]:
        app.hub.faults.clear()
        return "", 204


def _no_such_page(error: HTTPException) -> Response:
    """GitHub's JSON for an address that does not exist, or a method that it does not take."""
    code = error.code or 500
    return rest.problem_response(Problem(code, "Not Found" if code in (404, 405) else error.name))
