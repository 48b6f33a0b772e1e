"""The web process: webhooks and health. It has the webhook secrets only, and imports no client of a provider."""

from __future__ import annotations

import structlog
from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from integrations import failpoints
from jobs.config.environment import load
from jobs.config.settings import Settings
from jobs.runtime import logging
from jobs.runtime.connection import connect
from service.refusals import HEADERS, RETRY_AFTER_SECONDS
from service.web import health, webhooks
from service.web.refusal_limit import WAIT_SECONDS

_log = structlog.get_logger(__name__)


def web() -> Flask:
    """Create the application from the environment. Called by each gunicorn worker."""
    settings = load("web")
    logging.configure("web", settings.secret_values())
    failpoints.arm(settings.failpoint, settings.home)
    return create_app(settings)


def create_app(settings: Settings) -> Flask:
    """Create the WSGI application. Opens no Redis connection, so it starts while Redis is unavailable."""
    app = Flask("loopline.web", static_folder=None)
    app.url_map.merge_slashes = False  # a sender does not follow a redirect
    redis = connect(settings, timeout=1.5, retries=1, retry_timeouts=False)
    endpoint = webhooks.Endpoint(settings, redis)
    app.extensions["endpoint"] = endpoint
    app.register_blueprint(webhooks.blueprint(endpoint))
    app.register_blueprint(health.blueprint(settings, redis))
    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(OSError, _request_retry)
    app.after_request(_add_headers)
    return app


def _refuse(error: HTTPException) -> tuple[Response, int]:
    response = jsonify(error=error.description or error.name)
    response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    if error.code == 429:
        response.headers["Retry-After"] = str(WAIT_SECONDS)
    return response, error.code or 500


def _request_retry(error: OSError) -> tuple[Response, int, dict[str, str]]:
    """A full disk, or no more file descriptors."""
    _log.error("request failed, the sender can retry", reason=str(error))
    return jsonify(error="The request failed for now; retry later."), 503, {"Retry-After": str(RETRY_AFTER_SECONDS)}


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response
