"""Signs people in to the dashboard: by its password, or at an OpenID Connect provider. Called by `app`.

A session is a signed cookie, valid for 12 hours and until the password (or the client secret) changes. The API also
accepts the password as a bearer token. Forms carry a token against cross-site requests.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote, urlsplit

import structlog
from flask import Blueprint, Flask, abort, g, redirect, render_template, request, session
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from werkzeug.wrappers import Response as AnyResponse

from jobs.config.settings import Settings

HOURS = 12
_OPEN, _OPEN_BELOW = ("/healthz", "/login"), ("/static/", "/login/")  # paths without a session
FAILURES_PER_ADDRESS, FAILURES = 10, 100
"""Wrong passwords in a minute, from one address and from all, after which nobody can try."""
_MAX_NEXT = 500
_log = structlog.get_logger(__name__)


def add_login(app: Flask, settings: Settings, password: str) -> None:
    """Require a session, or the password, for all pages but health, sign-in and static files."""
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_issuer else password
    app.secret_key = hashlib.sha256(b"loopline dashboard session\0" + secret.encode()).digest()
    app.config.update(
        SESSION_COOKIE_NAME="loopline_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.dashboard_url.startswith("https://"),
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=HOURS),
        MAX_FORM_MEMORY_SIZE=10_000,
    )
    attempts = _Attempts()
    app.before_request(_require_session(password, attempts))
    app.context_processor(lambda: {"user": session.get("user"), "form_token": _read_form_token})
    app.register_blueprint(_routes(settings, password, attempts))
    if settings.oidc_issuer:
        from service.dashboard.oidc import build_routes  # with its libraries, which most dashboards do not need

        app.register_blueprint(build_routes(app, settings))


class _Attempts:
    """Limits wrong passwords. In memory: the dashboard is one process."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._per_address, self._total = map(RateLimitItemPerMinute, (FAILURES_PER_ADDRESS, FAILURES))

    def check(self, given: str, password: str) -> bool:
        """Whether the password is right. Aborts with 429 after too many wrong ones."""
        address = request.remote_addr or ""
        if not (self._limiter.test(self._per_address, address) and self._limiter.test(self._total)):
            abort(429, "Too many wrong passwords. Wait a minute and try again.")
        if hmac.compare_digest(given.encode(), password.encode()):
            return True
        self._limiter.hit(self._per_address, address)
        self._limiter.hit(self._total)
        _log.warning("wrong dashboard password", address=address)
        return False


def _require_session(password: str, attempts: _Attempts) -> Callable[[], AnyResponse | None]:
    def check() -> AnyResponse | None:
        if request.path in _OPEN or request.path.startswith(_OPEN_BELOW) or _is_signed_in():
            return None
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and attempts.check(token.strip(), password):
            g.by_token = True
            return None
        if request.path.startswith("/api/") or request.method not in ("GET", "HEAD"):
            abort(401, "Sign in, or send the dashboard's password as a bearer token; `loopline login` prints it.")
        wanted = request.full_path.rstrip("?")
        return redirect("/login" if wanted == "/" else f"/login?next={quote(wanted, safe='/')}")

    return check


def _is_signed_in() -> bool:
    until = session.get("until")
    return isinstance(session.get("user"), str) and isinstance(until, int | float) and time.time() < until


def sign_in_as(user: str) -> AnyResponse:
    """Start a session; the old one's values are dropped."""
    target = find_local_path(session.get("next") or request.values.get("next", ""))
    session.clear()
    session.permanent = True
    session.update(user=user, until=int(time.time()) + HOURS * 3600)
    _log.info("signed in", user=user, address=request.remote_addr)
    return redirect(target)


def find_local_path(path: str) -> str:
    """`path` if it is a page of the dashboard, else the first page: a link cannot lead to another site."""
    parts = urlsplit(path[:_MAX_NEXT])
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if is_local and path.isprintable() and len(path) <= _MAX_NEXT and "\\" not in path else "/"


def _read_form_token() -> str:
    """The session's token for forms, created on first use."""
    if not isinstance(session.get("form"), str):
        session["form"] = secrets.token_urlsafe(16)
    token: str = session["form"]
    return token


def check_form_token() -> None:
    """Abort with 403 unless the form carries the session's token."""
    expected, given = session.get("form"), request.form.get("token", "")
    if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), given.encode()):
        abort(403, "The form is out of date. Go back, reload the page and try again.")


def _routes(settings: Settings, password: str, attempts: _Attempts) -> Blueprint:
    routes = Blueprint("login", __name__)
    provider = urlsplit(settings.oidc_issuer).hostname

    def show(sentence: str = "", status: int = 200) -> tuple[str, int]:
        target = find_local_path(request.values.get("next", ""))
        return render_template("login.html", provider=provider, sentence=sentence, next=target), status

    @routes.get("/login")
    def login() -> AnyResponse | tuple[str, int]:
        return redirect(find_local_path(request.values.get("next", ""))) if _is_signed_in() else show()

    @routes.post("/login")
    def sign_in() -> AnyResponse | tuple[str, int]:
        if provider:
            abort(405, "People sign in at the OpenID Connect provider.")
        check_form_token()
        if attempts.check(request.form.get("password", ""), password):
            return sign_in_as("password")
        return show("This is not the password. `loopline login` prints it on the machine of the dashboard.", 403)

    @routes.post("/logout")
    def sign_out() -> AnyResponse:
        check_form_token()
        session.clear()
        return redirect("/login")

    return routes


def link_with_password(settings: Settings, password: str) -> str:
    """A link that signs in. The password is in the fragment, which browsers do not send: it reaches no log."""
    return f"{settings.dashboard_url}/login#{password}"
