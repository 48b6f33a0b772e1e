"""The dashboard: what every loop is doing, for people and as JSON. A process of its own
(`service.dashboard.gunicorn_config`).

It only reads. There is no route that changes anything, it holds no token and no secret, and it answers to known host
names only, so that a page of a stranger cannot reach it by rebinding a name to this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, abort, jsonify, render_template, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from jobs.config.environment import load
from jobs.config.settings import Settings
from jobs.runtime import logging
from jobs.runtime.connection import connect
from service.dashboard import live, page_text
from service.dashboard.live import Limits
from service.dashboard.overview import GROUPS, ShownTicket
from service.dashboard.reader import Reader
from service.version import VERSION

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_log = structlog.get_logger(__name__)


def dashboard() -> Flask:
    """What gunicorn calls in its worker process."""
    settings = load("dashboard")
    logging.configure("dashboard", settings.secret_values())
    return create_app(settings)


def create_app(settings: Settings, limits: Limits = Limits()) -> Flask:  # noqa: B008 - frozen
    """The WSGI application. Makes its Redis clients without talking to them, so it starts while Redis is away."""
    app = Flask("service.dashboard.app")
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(page_text.FILTERS)
    app.before_request(_only_for(names_of(settings)))
    app.after_request(_seal)
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(RedisError, _away)
    app.register_blueprint(live.blueprint(connect(settings, limits.beat_seconds + 5.0, retries=0), limits))
    reader = Reader(connect(settings, timeout=2.0, retries=1), settings)
    _add_pages(app, reader, settings)
    _add_api(app, reader)
    return app


def _add_pages(app: Flask, reader: Reader, settings: Settings) -> None:
    columns = [(key, team.columns.agent) for key, team in settings.teams.items()]

    @app.get("/")
    def loops() -> str:
        rows = reader.rows()
        groups = [(name, title, [row for row in rows if row.group == name]) for name, title in GROUPS.items()]
        return render_template("loops.html", groups=groups, columns=columns, notices=reader.notices())

    @app.get("/tickets/<identifier>")
    def ticket(identifier: str) -> str:
        found = _found(reader, identifier)
        ids = [run.run_id for run in found.runs]
        chosen = request.args.get("run", found.run_id)
        if chosen not in [*ids, ""]:
            abort(404, f"{identifier} has no such run.")
        return render_template(
            "ticket.html", ticket=found, row=found.row, chosen=chosen, follow="run" not in request.args
        )


def _add_api(app: Flask, reader: Reader) -> None:
    @app.get("/api/loops")
    def api_loops() -> Response:
        return jsonify(loops=[row.model_dump(mode="json") for row in reader.rows()], notices=reader.notices())

    @app.get("/api/tickets/<identifier>")
    def api_ticket(identifier: str) -> Response:
        return jsonify(_found(reader, identifier).model_dump(mode="json"))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(ok=True, version=VERSION)


def _found(reader: Reader, identifier: str) -> ShownTicket:
    return reader.ticket(identifier) or abort(404, "Loopline knows no ticket of this name.")


def names_of(settings: Settings) -> frozenset[str]:
    """The host names by which the dashboard may be asked: loopback, the address it binds, its public address."""
    return LOOPBACK | {_host(f"//{settings.dashboard_bind}"), _host(settings.dashboard_url)} - {""}


def _only_for(names: frozenset[str]) -> Callable[[], None]:
    def check() -> None:
        if _host(f"//{request.headers.get('Host', '')}") not in names:
            abort(403, "this name is not the dashboard's; set LOOPLINE_DASHBOARD_URL to the address that you use.")
        foreign = request.headers.get("Sec-Fetch-Site") == "cross-site"
        if foreign and request.headers.get("Sec-Fetch-Mode") != "navigate":
            abort(403, "other sites may link to the dashboard and not read from it.")

    return check


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _refuse(error: HTTPException) -> tuple[Response | str, int] | HTTPException:
    code = error.code or 500
    sentence = error.description or error.name
    if request.path.startswith("/api/"):
        return jsonify(error=sentence), code
    return render_template("problem.html", name=error.name, sentence=sentence), code


def _away(error: RedisError) -> tuple[Response | str, int] | HTTPException:
    _log.warning("Redis is away", reason=str(error))
    return _refuse(ServiceUnavailable("Redis does not answer, so there is nothing to show; this page tries again."))


def _seal(response: Response) -> Response:
    """Headers of every answer; an answer that has not changed since the client's copy becomes 304."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if response.status_code == 200 and not response.is_streamed and not response.direct_passthrough:
        response.add_etag()
        response.make_conditional(request)
    return response
