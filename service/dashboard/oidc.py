"""Sign-in at an OpenID Connect provider. Imported by `login` when one is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, abort, request, session
from joserfc.errors import JoseError
from requests import RequestException

from jobs.config.settings import Settings
from service.dashboard.login import find_local_path, sign_in_as

_log = structlog.get_logger(__name__)


def build_routes(app: Flask, settings: Settings) -> Blueprint:
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
        session["next"] = find_local_path(request.args.get("next", ""))
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
        return sign_in_as(email)

    return routes


def may_enter(email: str, users: tuple[str, ...]) -> bool:
    """Whether the address, or its domain with an @ before it, is listed. Ignores case."""
    email = email.lower()
    domain = f"@{email.rpartition('@')[2]}"
    return any(user.lower() in (email, domain) for user in users)
