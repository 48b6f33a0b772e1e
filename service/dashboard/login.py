"""Signs people in to the dashboard: by its password, or at an OpenID Connect provider. Called by `app`.

A session is a signed cookie, valid for 12 hours and until the password (or the client secret) changes. The API also
accepts the password as a bearer token. Forms carry a token against cross-site requests.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, abort, g, redirect, render_template, request, session
from joserfc.errors import JoseError
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from requests import RequestException
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
        app.register_blueprint(_oidc_routes(app, settings))


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


def _sign_in(user: str) -> AnyResponse:
    """Start a session; the old one's values are dropped."""
    target = _find_local_path(session.get("next") or request.values.get("next", ""))
    session.clear()
    session.permanent = True
    session.update(user=user, until=int(time.time()) + HOURS * 3600)
    _log.info("signed in", user=user, address=request.remote_addr)
    return redirect(target)


def _find_local_path(path: str) -> str:
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


def _check_form_token() -> None:
    expected, given = session.get("form"), request.form.get("token", "")
    if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), given.encode()):
        abort(403, "The form is out of date. Go back, reload the page and try again.")


def _routes(settings: Settings, password: str, attempts: _Attempts) -> Blueprint:
    routes = Blueprint("login", __name__)
    provider = urlsplit(settings.oidc_issuer).hostname

    def show(sentence: str = "", status: int = 200) -> tuple[str, int]:
        target = _find_local_path(request.values.get("next", ""))
        return render_template("login.html", provider=provider, sentence=sentence, next=target), status

    @routes.get("/login")
    def login() -> AnyResponse | tuple[str, int]:
        return redirect(_find_local_path(request.values.get("next", ""))) if _is_signed_in() else show()

    @routes.post("/login")
    def sign_in() -> AnyResponse | tuple[str, int]:
        if provider:
            abort(405, "People sign in at the OpenID Connect provider.")
        _check_form_token()
        if attempts.check(request.form.get("password", ""), password):
            return _sign_in("password")
        return show("This is not the password. `loopline login` prints it on the machine of the dashboard.", 403)

    @routes.post("/logout")
    def sign_out() -> AnyResponse:
        _check_form_token()
        session.clear()
        return redirect("/login")

    return routes


def _oidc_routes(app: Flask, settings: Settings) -> Blueprint:
    """The authorization code flow with PKCE. authlib checks state, nonce, issuer, audience and signature."""
    routes = Blueprint("oidc", __name__)
    client = OAuth(app).register(
        "oidc",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value(),
        server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "timeout": 10},
    )

    def report_failure(error: Exception) -> None:
        _log.warning("OpenID Connect provider failed", reason=str(error))
        abort(502, "The OpenID Connect provider failed: check LOOPLINE_OIDC_ISSUER; the log has the cause.")

    @routes.get("/login/start")
    def start() -> Any:
        session["next"] = _find_local_path(request.args.get("next", ""))
        try:
            return client.authorize_redirect(f"{settings.dashboard_url}/login/callback")
        except (OAuthError, RequestException, ValueError, KeyError, RuntimeError) as error:
            return report_failure(error)

    @routes.get("/login/callback")
    def callback() -> Any:
        try:
            claims: Mapping[str, Any] = client.authorize_access_token().get("userinfo") or {}
        except (OAuthError, JoseError) as error:
            _log.warning("sign-in refused", reason=str(error))
            abort(403, "The sign-in was not completed. Start again from the dashboard.")
        except (RequestException, ValueError, KeyError, RuntimeError) as error:
            return report_failure(error)
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            abort(403, "The OpenID Connect provider does not confirm an e-mail address for you (email_verified).")
        if not may_enter(email, settings.oidc_users):
            _log.warning("sign-in refused", reason="not in LOOPLINE_OIDC_USERS", user=email)
            abort(403, "Your e-mail address is not in LOOPLINE_OIDC_USERS. Ask the operator to add it.")
        return _sign_in(email)

    return routes


def may_enter(email: str, users: tuple[str, ...]) -> bool:
    """Whether the address, or its domain with an @ before it, is listed. Ignores case."""
    email = email.lower()
    domain = f"@{email.rpartition('@')[2]}"
    return any(user.lower() in (email, domain) for user in users)


def link_with_password(settings: Settings, password: str) -> str:
    """A link that signs in. The password is in the fragment, which browsers do not send: it reaches no log."""
    return f"{settings.dashboard_url}/login#{password}"
