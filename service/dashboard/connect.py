"""Connects a workspace of the tracker to Loopline's OAuth app: /oauth/<tracker>/install and its callback.

For people who are signed in. The dashboard holds no secret of the app: it leaves the authorization code for a worker
(`jobs.access`), which exchanges it for tokens, and shows the result. The state is random, bound to the browser by the
session, and used once.
"""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Any

import structlog
from flask import Blueprint, abort, redirect, render_template, request, session
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError
from werkzeug.wrappers import Response as AnyResponse

from integrations.ports.provider import Installation, TrackerProvider
from integrations.registry import find_provider
from jobs.config.settings import Settings
from jobs.runtime import keys, queues

STATE_SECONDS, GRANT_SECONDS, RESULT_SECONDS = 600, 120, 20
"""To confirm at the provider; until a worker exchanges the code, which the provider lets expire; to wait for that."""
_MAX_CODE = 2_000
_SESSION_KEY = "authorization"
_log = structlog.get_logger(__name__)


def blueprint(settings: Settings, redis: Redis) -> Blueprint:
    """Return both routes. `redis` waits at least `RESULT_SECONDS` for a response."""
    routes = Blueprint("connect", __name__)

    @routes.get("/oauth/<name>/install")
    def install(name: str) -> AnyResponse:
        installation, own = _find_installation(settings, name)
        if request.host_url.rstrip("/") != settings.dashboard_url.rstrip("/"):  # the cookie is of one host
            return redirect(f"{settings.dashboard_url}/oauth/{name}/install")
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        redis.set(keys.authorization(state), verifier, ex=STATE_SECONDS)
        session[_SESSION_KEY] = state
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # few dashboards connect workspaces

        challenge = create_s256_code_challenge(verifier)
        return redirect(installation.authorize_url(own, _build_redirect_uri(settings, name), state, challenge))

    @routes.get("/oauth/<name>/callback")
    def callback(name: str) -> str | tuple[str, int]:
        _find_installation(settings, name)
        expected, state = session.pop(_SESSION_KEY, ""), request.args.get("state", "")
        matches = isinstance(expected, str) and hmac.compare_digest(expected.encode(), state.encode())
        verifier: Any = redis.getdel(keys.authorization(state)) if expected and matches else None
        if not verifier:
            abort(
                403, f"The authorization is out of date or from another browser. Start again at /oauth/{name}/install."
            )
        code = request.args.get("code", "")
        if "error" in request.args or not 0 < len(code) <= _MAX_CODE:
            reason = request.args.get("error", "no code")[:100]
            _log.warning("workspace not connected", reason=reason)
            abort(403, f"The workspace was not connected ({reason}). Start again at /oauth/{name}/install.")
        _log.info("authorization confirmed", user=session.get("user"))
        grant = {"code": code, "redirect_uri": _build_redirect_uri(settings, name), "verifier": verifier.decode()}
        redis.set(keys.authorization(state), json.dumps(grant), ex=GRANT_SECONDS)
        queues.wake(redis, queues.CONNECT, state)
        return _show(_wait_for_result(redis, state))

    return routes


def _find_installation(settings: Settings, name: str) -> tuple[Installation[Any], Any]:
    """The tracker's installation with its settings. Aborts with 404 without an app."""
    provider = find_provider(TrackerProvider, settings.tracker)
    own = settings.provider_settings(provider)
    if name != provider.name or provider.installation is None:
        abort(404, "Only the workspace of the configured tracker can be connected.")
    if not dict(own.values())[provider.installation.client_id]:
        abort(404, f"{provider.installation.client_id} is not set. Create an OAuth app at the tracker, and set its id.")
    return provider.installation, own


def _build_redirect_uri(settings: Settings, name: str) -> str:
    return f"{settings.dashboard_url}/oauth/{name}/callback"


def _wait_for_result(redis: Redis, state: str) -> dict[str, str]:
    """The worker's result; empty when it takes too long."""
    try:
        found: Any = redis.blpop([keys.authorization_result(state)], timeout=RESULT_SECONDS)
    except RedisTimeoutError:
        return {}
    return dict(json.loads(found[1])) if found else {}


def _show(result: dict[str, str]) -> str | tuple[str, int]:
    if workspace := result.get("workspace"):
        sentence = f"Loopline works in the workspace {workspace} from now on."
        return render_template("problem.html", name="Workspace connected", sentence=sentence)
    reason = result.get("error", "no worker has answered yet; /readyz and the log have the result")
    return render_template("problem.html", name="Workspace not connected", sentence=reason), 502
