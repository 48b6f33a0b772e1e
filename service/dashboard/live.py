"""A run's transcript as it grows: server-sent events, and the same entries for asking again and again.

Called by the dashboard's routes. Each open stream holds one thread and one connection to Redis, so their number is
limited; a page that is refused asks every few seconds instead. Reads only.
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
from jobs.runtime import keys
from jobs.store.runs import Runs
from service.dashboard.entries import shown

START = "0-0"
RETRY_AFTER_SECONDS = 5
_STREAM_ID = re.compile(r"\d{1,20}-\d{1,20}")
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second: nginx would hold events back
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """How many streams may be open in this process, and after how many seconds a silent one says that it lives.

    The second is also how long a page that was closed keeps its place."""

    streams: int = 150
    beat_seconds: float = 15.0


def blueprint(redis: Redis, limits: Limits) -> Blueprint:
    """Both routes. `redis` must be willing to wait longer than a beat."""
    routes = Blueprint("live", __name__)
    runs = Runs(redis)
    places = threading.BoundedSemaphore(limits.streams)

    @routes.get("/api/runs/<run_id>/events")
    def events(run_id: str) -> Response:
        after = _after(run_id, runs)
        if not places.acquire(blocking=False):
            return _full()
        stream = follow(runs, run_id, after, limits.beat_seconds)
        response = Response(stream, mimetype="text/event-stream", headers=_HEADERS)
        response.call_on_close(places.release)
        return response

    @routes.get("/api/runs/<run_id>/entries")
    def entries(run_id: str) -> Response:
        after = _after(run_id, runs)
        over = not runs.is_unfinished(run_id)
        return jsonify(entries=[_plain(*one) for one in runs.transcript(run_id, after)], over=over)

    return routes


def follow(runs: Runs, run_id: str, after: str, beat_seconds: float) -> Iterator[str]:
    """Frames of the event stream: `entry` for each one after stream id `after`, then `end` when the run is over.

    Ends without `end` when Redis goes away; the browser then comes back with the last id it saw."""
    last = after
    yield "retry: 2000\n\n"
    try:
        while True:
            over = not runs.is_unfinished(run_id)  # asked before reading, so that the last entries are seen
            for last, entry in runs.transcript(run_id, last):  # noqa: B020 - each entry is where the next read begins
                yield f"id: {last}\nevent: entry\ndata: {json.dumps(_plain(last, entry))}\n\n"
            if over:
                yield "event: end\ndata: {}\n\n"
                return
            if not _grown(runs.redis, run_id, last, beat_seconds):
                yield ": still here\n\n"
    except RedisError as error:
        _log.warning("live stream ended, Redis is away", run=run_id, reason=str(error))


def _grown(redis: Redis, run_id: str, last: str, seconds: float) -> bool:
    """Wait until there is an entry after `last`."""
    return bool(redis.xread({keys.transcript(run_id): last}, count=1, block=max(1, int(seconds * 1000))))


def _plain(stream_id: str, entry: Entry) -> dict[str, Any]:
    return {"id": stream_id, **asdict(shown(entry))}


def _after(run_id: str, runs: Runs) -> str:
    """Where the client wants to go on; ends the request with 400 or 404."""
    given = request.headers.get("Last-Event-ID") or request.args.get("after") or START
    if not _STREAM_ID.fullmatch(given):
        abort(400, f"the place to go on from has to look like {START}.")
    if runs.spec(run_id) is None:
        abort(404, "there is no such run, or it was forgotten 30 days after its end.")
    return given


def _full() -> Response:
    response = jsonify(error="too many live pages are open; ask for the entries again and again instead.")
    response.status_code = 503
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
