"""Live transcripts: server-sent events, and an endpoint with the same entries for polling.

Called by the dashboard's routes. Each open stream uses one Redis connection, so their number is limited; a page without
a stream polls every few seconds. Reads only.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from flask import Blueprint, Response, abort, jsonify, request
from redis import Redis
from redis.exceptions import RedisError

from integrations.ports.agent_runner import Entry
from integrations.values import RunId
from jobs.runtime import keys
from jobs.store.runs import Runs
from service.dashboard.entries import format_entry

FIRST_CURSOR = "0-0"
RETRY_AFTER_SECONDS = 5
_STREAM_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")  # Redis refuses parts of more than 64 bits
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second disables buffering in nginx
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """Limit of open streams in this process, and seconds of silence after which a stream sends a heartbeat.

    A closed page is detected, and its slot freed, at the next heartbeat."""

    streams: int = 150
    heartbeat_seconds: float = 15.0


def blueprint(redis: Redis, limits: Limits) -> Blueprint:
    """Return both routes. The socket timeout of `redis` must be longer than the heartbeat."""
    routes = Blueprint("live", __name__)
    runs = Runs(redis)
    slots = threading.BoundedSemaphore(limits.streams)

    @routes.get("/api/runs/<run_id>/events")
    def events(run_id: RunId) -> Response:
        after = _read_cursor(run_id, runs)
        if not slots.acquire(blocking=False):
            response = jsonify(error="Too many live pages are open. Poll the entries instead.")
            response.status_code = 503
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            return response
        stream = follow(runs, run_id, after, limits.heartbeat_seconds)
        response = Response(stream, mimetype="text/event-stream", headers=_HEADERS)
        response.call_on_close(slots.release)
        return response

    @routes.get("/api/runs/<run_id>/entries")
    def entries(run_id: RunId) -> Response:
        after = _read_cursor(run_id, runs)
        over = not runs.is_unfinished(run_id)
        return jsonify(entries=[_serialize(*one) for one in runs.transcript(run_id, after)], over=over)

    return routes


def follow(runs: Runs, run_id: RunId, after: str, heartbeat_seconds: float) -> Iterator[str]:
    """Yield the events: `entry` for each entry after stream id `after`, then `end` when the run has finished.

    Stops without `end` when Redis becomes unavailable; the browser reconnects with the last id it received."""
    last, milliseconds = after, max(1, int(heartbeat_seconds * 1000))
    yield "retry: 2000\n\n"
    try:
        while True:
            over = not runs.is_unfinished(run_id)  # checked before reading, so that no entry is missed
            for last, entry in runs.transcript(run_id, last):  # noqa: B020 - the next read starts at the last entry
                yield f"id: {last}\nevent: entry\ndata: {json.dumps(_serialize(last, entry))}\n\n"
            if over:
                yield "event: end\ndata: {}\n\n"
                return
            if not runs.redis.xread({keys.transcript(run_id): last}, count=1, block=milliseconds):
                yield ": heartbeat\n\n"
    except RedisError as error:
        _log.warning("live stream ended, Redis unavailable", run=run_id, reason=str(error))


def _serialize(stream_id: str, entry: Entry) -> dict[str, Any]:
    return {"id": stream_id, **asdict(format_entry(entry))}


def _read_cursor(run_id: RunId, runs: Runs) -> str:
    """Return the cursor of the request; aborts it with 400 or 404."""
    given = request.headers.get("Last-Event-ID") or request.args.get("after") or FIRST_CURSOR
    if not _STREAM_ID.fullmatch(given):
        abort(400, f"`after` has to be a stream id such as {FIRST_CURSOR}.")
    if runs.spec(run_id) is None:
        abort(404, "There is no such run, or it expired 30 days after its end.")
    return given
