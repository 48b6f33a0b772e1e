"""Linear's OAuth endpoints for an app: the authorization page, and tokens by code, refresh token or client credentials.

Called by `credentials` and `provider`. Keeps nothing. Source: linear.app/developers/oauth-2-0-authentication and
oauth-actor-authorization: access tokens of an installation last 24 hours and their refresh tokens rotate; those of
`client_credentials` last 30 days. A request with other scopes revokes all tokens of the app, so `SCOPES` is the only
list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from pydantic import TypeAdapter

from integrations.errors import Unauthorized, Unavailable, hide_secret
from integrations.server_time import server_clock
from integrations.transport import mount_bounds

SCOPES: Final = ("read", "write", "app:assignable", "app:mentionable")
SETTINGS: Final = "LINEAR_CLIENT_ID and LINEAR_CLIENT_SECRET"
_TIMEOUT: Final = 20
_DEFAULT_SECONDS: Final = 24 * 3600.0  # of a token whose response has no `expires_in`


class InvalidGrant(Unauthorized):
    """Linear refuses the code, the refresh token or the kind of grant: it was used, revoked, or is switched off."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of one workspace; times are Unix seconds. `refresh_token` is empty for client credentials; `workspace` is
    the organization's name, empty if unknown; `client_id` is the app's."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    issued_at: float
    expires_at: float
    client_id: str
    workspace: str = ""

    @property
    def renew_at(self) -> float:
        """The time to replace the token ahead of its end: after 90 % of its life."""
        return self.expires_at - 0.1 * (self.expires_at - self.issued_at)


TOKENS: Final = TypeAdapter(Tokens)


def build_authorize_url(api_url: str, client_id: str, redirect_uri: str, state: str, challenge: str) -> str:
    """The page on which an administrator of a workspace installs the app. Sends no request."""
    parts = urlsplit(api_url)
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": ",".join(SCOPES),
        "actor": "app",
        "prompt": "consent",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return urlunsplit((parts.scheme, parts.netloc.removeprefix("api."), "/oauth/authorize", urlencode(query), ""))


class TokenEndpoint:
    """Linear's token endpoint, next to the GraphQL endpoint `api_url`. `now` returns Unix seconds."""

    def __init__(
        self, api_url: str, client_id: str, client_secret: str, now: Callable[[], float] | None = None
    ) -> None:
        parts = urlsplit(api_url)
        self._url = urlunsplit((parts.scheme, parts.netloc, "/oauth/token", "", ""))
        self.client_id, self._secret, self.now = client_id, client_secret, now or server_clock("linear").now

    def mint(self) -> Tokens:
        """A token of the app itself, for the workspace that owns it. Raises `InvalidGrant` when the app may not."""
        return self._request("client_credentials", scope=",".join(SCOPES))

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """The tokens of a new installation. Raises `InvalidGrant` for a code that was used or has expired."""
        return self._request("authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=verifier)

    def refresh(self, refresh_token: str) -> Tokens:
        """The next pair of tokens; the old refresh token ends, but a lost response can be requested again for 30
        minutes. Raises `InvalidGrant` for one that was used earlier or revoked."""
        return self._request("refresh_token", refresh_token=refresh_token)

    def _request(self, grant: str, **parameters: str) -> Tokens:
        """Raises `Unavailable` when the request can be repeated, else `InvalidGrant` or `Unauthorized`."""
        now = self.now()
        try:
            with OAuth2Session(
                self.client_id, self._secret, token_endpoint_auth_method="client_secret_post"
            ) as session:
                mount_bounds(session)
                session.register_compliance_hook("access_token_response", _raise_if_retryable)
                found = session.fetch_token(self._url, grant_type=grant, timeout=_TIMEOUT, **parameters)
        except AuthlibBaseError as error:
            raise hide_secret(self._classify(grant, str(error.error), str(error.description)), self._secret) from None
        except (requests.RequestException, OSError, ValueError, TypeError) as error:
            problem = f"Linear's token endpoint does not answer as expected ({type(error).__name__})"
            raise Unavailable(f"{problem}: check the network and LINEAR_API_URL") from None
        return self._parse(found, now)

    def _classify(self, grant: str, error: str, description: str) -> Unauthorized | Unavailable:
        detail = f"{error}: {description}" if description else error
        match error:
            case "temporarily_unavailable" | "server_error" | "slow_down":
                return Unavailable(f"Linear issues no token now ({detail})")
            case "invalid_client":
                return Unauthorized(f"Linear refuses {SETTINGS} ({detail}): copy both from the app's page in Linear")
            case _:
                return InvalidGrant(f"Linear refuses {grant} ({detail})")

    def _parse(self, found: Any, now: float) -> Tokens:
        access = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(access, str) or not (access.isascii() and access.isprintable() and " " not in access):
            raise Unavailable("Linear's token endpoint returned no usable token: check LINEAR_API_URL")
        seconds = found.get("expires_in")
        life = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _DEFAULT_SECONDS
        refresh = found.get("refresh_token")
        return Tokens(
            access_token=access,
            refresh_token=refresh if isinstance(refresh, str) else "",
            issued_at=now,
            expires_at=now + life,
            client_id=self.client_id,
        )


def _raise_if_retryable(response: requests.Response) -> requests.Response:
    """Statuses that authlib reads as a final refusal when the body names an error."""
    if response.status_code in (408, 429) or response.is_redirect:
        raise requests.HTTPError(response=response)
    return response
