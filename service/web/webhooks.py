"""The webhook endpoint, POST /webhooks/<source>: checks the signature of the raw body and stores the delivery.

`jobs.inbox.dispatch` translates it later. The response is 200 only after the delivery is on disk. A sender gets 401 for
a wrong signature, 415 or 422 with the reason for a signed delivery that cannot be read, and never a 500.
"""

from __future__ import annotations

import time

import structlog
from flask import Blueprint, Request, Response, abort, jsonify, request
from redis import Redis
from redis.exceptions import RedisError

from integrations.errors import BadSignature, Malformed, UnsupportedContentType
from integrations.ports.source import Source
from jobs.config.settings import Settings
from service.refusals import RETRY_AFTER_SECONDS
from service.web.intake import Received, accept
from service.web.refusal_limit import RefusalLimit
from service.web.spool import Spool

_log = structlog.get_logger(__name__)


class Endpoint:
    """State of the endpoint: the providers' webhooks, secrets and spools, and Redis."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self.redis = redis
        self.webhooks = settings.webhooks()
        self.secrets = {name: settings.webhook_secrets(name) for name in self.webhooks}
        self.spools = {name: Spool(settings.home / "spool", name) for name in self.webhooks}

    def store(self, source: Source, received: Received) -> Response:
        """Make the delivery durable and return the response."""
        delivery = received.delivery
        line = _log.bind(source=source.name, event_name=delivery.event, delivery=delivery.delivery_id)
        try:
            new = accept(self.redis, received)
        except (RedisError, OSError) as error:  # the second without file descriptors
            return self._store_without_redis(source, received, line.bind(reason=str(error)))
        line.info("delivery accepted" if new else "duplicate delivery", stale=delivery.stale)
        return jsonify(accepted=True if new else "duplicate")

    def _store_without_redis(self, source: Source, received: Received, line: structlog.stdlib.BoundLogger) -> Response:
        if source.retries_on_503:
            line.warning("Redis unavailable, the sender will retry")
            return _request_retry()
        try:
            self.spools[source.name].append(received)
        except OSError as error:
            line.error("delivery lost: Redis unavailable and spool write failed", spool=str(error))
            return _request_retry()
        line.warning("Redis unavailable, delivery spooled")
        return jsonify(accepted=True)


def blueprint(endpoint: Endpoint) -> Blueprint:
    """Return the route."""
    routes = Blueprint("webhooks", __name__)
    refusals = RefusalLimit()

    @routes.post("/webhooks/<name>")
    def receive(name: str) -> Response:
        webhooks = endpoint.webhooks.get(name) or abort(404, "Webhooks are received at /webhooks/<provider>.")
        now = time.time()
        # gunicorn joins repeated headers with ',', so no copy can hide another.
        headers = {key.lower(): value for key, value in request.headers.items()}
        body, address = _read_body(request, webhooks.largest_body), request.remote_addr or "unknown"
        try:
            delivery = webhooks.source.verify(headers, body, endpoint.secrets[name], now)
        except BadSignature as error:
            if refusals.may_log():
                _log.warning("delivery refused", source=name, reason=str(error), address=address)
            refusals.check(address)
            abort(401, "The delivery has no valid signature. Compare the webhook secrets on both sides.")
        except Malformed as error:
            if refusals.may_log():
                _log.warning("delivery malformed", source=name, reason=str(error), address=address)
            refusals.check(address)
            abort(415 if isinstance(error, UnsupportedContentType) else 422, f"{error}.")
        return endpoint.store(webhooks.source, Received(delivery, now))

    return routes


def _read_body(given: Request, largest: int) -> bytes:
    """The raw bytes, which are complete: `service.gunicorn_worker` has received them.

    Reads from the server: werkzeug 3.1 truncates a chunked body at its limit."""
    if given.headers.get("Content-Encoding", "identity").lower() != "identity":
        abort(415, "Send the delivery without Content-Encoding: its signature covers the plain body.")
    body = b"" if (given.content_length or 0) > largest else given.environ["wsgi.input"].read(largest + 1)
    if (given.content_length or len(body)) > largest:
        abort(413, f"The delivery is larger than {largest} bytes.")
    return bytes(body)


def _request_retry() -> Response:
    response = jsonify(error="the delivery could not be stored; retry later")
    response.status_code = 503
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
