"""GET /healthz (this process is up) and /readyz (Loopline can work). Changes nothing.

Called by load balancers, the supervisor and people. The state of `/readyz` is `fine`, `recovering` while the work of a
crashed process is taken over, `frozen` while the freeze switch is set, or `failing` (503) while a part is unavailable.
"""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from integrations.disk import read_disk
from jobs.clock import LEADER
from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.connection import check_persistence
from jobs.runtime.dead_processes import list_dead_processes
from jobs.runtime.disk import find_problem
from jobs.runtime.freeze import Freeze, find_freeze
from jobs.runtime.heartbeats import EGRESS, find_missing_agents, list_live_roles
from jobs.runtime.notices import list_notices
from jobs.runtime.queues import AGENTS, EVENTS
from jobs.runtime.scripts import decode
from jobs.store.breaker import credentials_alarm
from service.version import VERSION


def blueprint(settings: Settings, redis: Redis) -> Blueprint:
    """Return both routes."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return jsonify(ok=True, version=VERSION)

    @routes.get("/readyz")
    def readyz() -> tuple[Response, int]:
        failing = failing_parts(settings, redis)
        freeze = _find_freeze(settings, redis)
        recovering = "recovering" if list_dead_processes(settings.home) else "fine"
        state = "failing" if failing else "frozen" if freeze else recovering
        body = {
            "ok": not failing,
            "state": state,
            "failing": failing,
            "frozen": asdict(freeze) if freeze else None,
            "warnings": [] if "redis" in failing else _list_warnings(redis),
        }
        return jsonify(**body, version=VERSION), 503 if failing else 200

    return routes


def _find_freeze(settings: Settings, redis: Redis) -> Freeze | None:
    try:
        return find_freeze(redis, settings.home)
    except (RedisError, OSError):
        return None


def _list_warnings(redis: Redis) -> list[str]:
    try:
        return list_notices(redis)
    except RedisError:
        return []


def failing_parts(settings: Settings, redis: Redis) -> dict[str, str]:
    """Return a sentence for each part that fails."""
    try:
        found = {"disk": find_problem(settings, redis), **_check_processes(settings, redis)}
    except RedisError as error:
        verb = "refuses commands" if isinstance(error, ResponseError | AuthenticationError) else "does not respond"
        found = {"disk": read_disk(settings.home).sentence, "redis": f"Redis {verb}: {error}"}
    return {part: sentence for part, sentence in found.items() if sentence}


def _check_processes(settings: Settings, redis: Redis) -> dict[str, str]:
    """The sentence about each part; empty while the part works."""
    # Changes nothing without this key, but fails as all writes on a replica, at the memory limit or on a broken disk.
    redis.set(keys.WRITE_PROBE, 1, xx=True)
    living = list_live_roles(redis)
    has_leader = bool(redis.exists(keys.lease(LEADER)))
    refused = credentials_alarm(redis)
    rejected = redis.get(keys.REFUSED_CREDENTIALS)
    weak = [] if settings.i_accept_weak_redis else check_persistence(redis)
    return {
        "persistence": " ".join(weak),
        EVENTS: "" if EVENTS in living else "No worker process serves the queue `events`.",
        AGENTS: "" if AGENTS in living else find_missing_agents(redis),
        EGRESS: "" if EGRESS in living else "No egress process runs; commands have no network.",
        "credentials": decode(rejected or b""),
        "model": refused and f"No run can call the model, all runs wait: {refused}",
        "clock": "" if has_leader else "No clock process has the leader lease.",
    }
