"""The door: POST /webhooks/<source>. Reads the raw body once, checks the signature, makes it durable, answers.

Nothing else happens in a request: what a delivery means is found out by `jobs.inbox.dispatch`. No answer is 200 before
the delivery is on disk, and nothing a sender can send makes a 500.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import structlog
from flask import Blueprint, Request, Response, abort, jsonify, request
from redis import Redis
from redis.exceptions import RedisError

from integrations.errors import BadSignature, Malformed
from integrations.ports.source import Source
from jobs.config.settings import Settings
from service.web.intake import Received, accept
from service.web.spool import Spool

RETRY_AFTER_SECONDS = 5
_log = structlog.get_logger(__name__)


class Door:
    """State of the endpoint: the chosen providers' webhooks and secrets, Redis, and a spool for each provider."""

    def __init__(self, settings: Settings, redis: Redis) -> None:
        self.redis = redis
        self.webhooks = settings.webhooks()
        self.secrets = {name: settings.webhook_secrets(name) for name in self.webhooks}
        self.spools = {name: Spool(settings.home / "spool", name) for name in self.webhooks}

    def take(self, source: Source, received: Received) -> Response:
        """Make the delivery durable and say so."""
        delivery = received.delivery
        line = _log.bind(source=source.name, event_name=delivery.event, delivery=delivery.delivery_id)
        try:
            new = accept(self.redis, received)
        except RedisError as error:
            return self._without_redis(source, received, line.bind(reason=str(error)))
        line.info("delivery accepted" if new else "delivery known already", stale=delivery.stale)
        return jsonify(accepted=True if new else "duplicate")

    def _without_redis(self, source: Source, received: Received, line: structlog.stdlib.BoundLogger) -> Response:
        if source.retries_on_503:
            line.warning("Redis is away, the sender will try again")
            return _try_again()
        try:
            self.spools[source.name].append(received)
        except OSError as error:
            line.error("delivery lost: Redis is away and the spool cannot be written", spool=str(error))
            return _try_again()
        line.warning("Redis is away, delivery spooled")
        return jsonify(accepted=True)


def blueprint(door: Door) -> Blueprint:
    """The route, bound to `door`."""
    routes = Blueprint("webhooks", __name__)

    @routes.post("/webhooks/<name>")
    def receive(name: str) -> Response:
        webhooks = door.webhooks.get(name) or abort(404)
        now = time.time()
        body = _body(request, webhooks.largest_body)
        try:
            delivery = webhooks.source.verify(dict(_headers(request)), body, door.secrets[name], now)
        except BadSignature as error:
            _log.warning("delivery refused", source=name, reason=str(error))
            abort(401)
        except Malformed as error:
            _log.warning("delivery ignored", source=name, reason=str(error))
            return jsonify(accepted=False)
        return door.take(webhooks.source, Received(delivery, now))

    return routes


def _headers(given: Request) -> Iterator[tuple[str, str]]:
    """Lower-case names. gunicorn has joined a header that came twice with ',', so no copy can hide behind another."""
    return ((name.lower(), value) for name, value in given.headers.items())


def _body(given: Request, largest: int) -> bytes:
    """The bytes as they were sent; 413 as soon as there are too many of them, however they are framed.

    Read from the server itself: werkzeug 3.1 cuts a chunked body off at its limit and takes a short one for whole."""
    if given.headers.get("Content-Encoding", "identity").lower() != "identity":
        abort(415)
    length = given.content_length
    if (length or 0) > largest:
        abort(413)
    try:
        body: bytes = given.environ["wsgi.input"].read(largest + 1 if length is None else length)
    except OSError:
        abort(400)
    if len(body) > largest:
        abort(413)
    return body if length is None or len(body) == length else abort(400)


def _try_again() -> Response:
    response = jsonify(error="the delivery could not be stored; send it again")
    response.status_code = 503
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
