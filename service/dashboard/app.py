"""The dashboard application: the state of all loops as pages and as JSON. Served by gunicorn
(`service.dashboard.gunicorn_config`).

Read-only, apart from the connection of a workspace (`connect`) and the start of an automation (`automations`), and it
holds no token of a provider. It accepts requests for known host names only, to prevent DNS rebinding, and only from
people who signed in (`login`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, abort, jsonify, render_template, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from integrations.disk import read_disk
from jobs.config.environment import load
from jobs.config.settings import Settings
from jobs.runtime import logging
from jobs.runtime.connection import connect
from service.dashboard import automations, live, page_text
from service.dashboard import connect as connect_workspace
from service.dashboard.connect import RESULT_SECONDS
from service.dashboard.live import Limits
from service.dashboard.login import add_login
from service.dashboard.overview import GROUPS, ROWS, SHOWN_TICKET, ShownTicket
from service.dashboard.password import read_password
from service.dashboard.reader import Reader
from service.dashboard.repositories import REPOSITORIES
from service.dashboard.skills import SKILLS
from service.version import VERSION

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?", re.ASCII)
"""A Host header: no user name, path or other part of a URL."""
_log = structlog.get_logger(__name__)


def dashboard() -> Flask:
    """Create the application. Called by gunicorn in its worker process."""
    settings = load("dashboard")
    password = read_password(settings)
    logging.configure("dashboard", settings.secret_values() | {password})
    return create_app(settings, password)


def create_app(settings: Settings, password: str, limits: Limits = Limits()) -> Flask:  # noqa: B008 - frozen
    """Return the WSGI application. It does not connect to Redis yet, so it starts while Redis is unavailable."""
    app = Flask("service.dashboard.app")
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.filters.update(page_text.FILTERS)
    app.before_request(_require_host(allowed_hosts(settings)))
    add_login(app, settings, password)
    app.after_request(_set_headers)
    app.register_error_handler(HTTPException, _render_error)
    reader = Reader(connect(settings, timeout=2.0, retries=1, retry_timeouts=False), settings)
    app.register_error_handler(RedisError, partial(_render_redis_error, settings))
    app.register_blueprint(live.blueprint(connect(settings, limits.heartbeat_seconds + 5.0, retries=0), limits))
    app.register_blueprint(automations.blueprint(settings, reader.runs.redis))
    app.register_blueprint(connect_workspace.blueprint(settings, connect(settings, RESULT_SECONDS + 5.0, retries=0)))
    _add_routes(app, reader, settings)
    return app


def _add_routes(app: Flask, reader: Reader, settings: Settings) -> None:
    columns = [(key, team.columns.agent) for key, team in settings.teams.items()]

    @app.get("/")
    def loops() -> str:
        rows = reader.rows()
        groups = [(name, title, [row for row in rows if row.group == name]) for name, title in GROUPS.items()]
        return render_template(
            "loops.html", groups=groups, columns=columns, notices=reader.notices(), repositories=reader.repositories()
        )

    @app.get("/skills")
    def skills() -> str:
        return render_template("skills.html", repositories=reader.skills())

    @app.get("/api/skills")
    def api_skills() -> Response:
        return jsonify(repositories=SKILLS.to_builtins(reader.skills()))

    @app.get("/tickets/<identifier>")
    def ticket(identifier: str) -> str:
        found = _find_or_404(reader, identifier)
        ids = [run.run_id for run in found.runs]
        chosen = request.args.get("run", found.run_id)
        if chosen not in [*ids, ""]:
            abort(404, f"{identifier} has no such run.")
        return render_template(
            "ticket.html", ticket=found, row=found.row, chosen=chosen, follow="run" not in request.args
        )

    @app.get("/api/loops")
    def api_loops() -> Response:
        shown = REPOSITORIES.to_builtins(reader.repositories())
        return jsonify(loops=ROWS.to_builtins(reader.rows()), notices=reader.notices(), repositories=shown)

    @app.get("/api/tickets/<identifier>")
    def api_ticket(identifier: str) -> Response:
        return jsonify(SHOWN_TICKET.to_builtins(_find_or_404(reader, identifier)))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(ok=True, version=VERSION)


def _find_or_404(reader: Reader, identifier: str) -> ShownTicket:
    return reader.ticket(identifier) or abort(404, "No ticket with this identifier has a loop.")


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the accepted host names: loopback, the bind address, the public address."""
    return LOOPBACK | {_parse_host(f"//{settings.dashboard_bind}"), _parse_host(settings.dashboard_url)} - {""}


def _require_host(names: frozenset[str]) -> Callable[[], None]:
    def check() -> None:
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host) or _parse_host(f"//{host}") not in names:
            abort(403, "Unknown host name. Set LOOPLINE_DASHBOARD_URL to the address that you use.")
        foreign = request.headers.get("Sec-Fetch-Site") == "cross-site"
        if foreign and request.headers.get("Sec-Fetch-Mode") != "navigate":
            abort(403, "Cross-site requests are not allowed: other sites can only link to the dashboard.")

    return check


def _parse_host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _render_error(error: HTTPException) -> tuple[Response | str, int] | HTTPException:
    code = error.code or 500
    sentence = error.description or error.name
    if request.path.startswith("/api/"):
        return jsonify(error=sentence), code
    return render_template("problem.html", name=error.name, sentence=sentence), code


def _render_redis_error(settings: Settings, error: RedisError) -> tuple[Response | str, int] | HTTPException:
    _log.warning("Redis unavailable", reason=str(error))
    sentences = ("Redis does not respond.", read_disk(settings.home).sentence, "This page retries automatically.")
    return _render_error(ServiceUnavailable(" ".join(filter(None, sentences))))


def _set_headers(response: Response) -> Response:
    """Set security headers and an ETag; an unchanged response becomes 304."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if response.status_code == 200 and not response.is_streamed and not response.direct_passthrough:
        response.add_etag()
        response.make_conditional(request)
    return response
