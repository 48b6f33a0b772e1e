"""Linear as a provider: settings, webhooks, tracker, installation of an OAuth app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import SecretStr

from integrations.ports.provider import Installation, ProviderSettings, TrackerProvider, Webhooks
from integrations.ports.setup import TrackerSetup
from integrations.ports.tracker import Tracker
from integrations.settings import Secrets, Url, match_pattern, setting
from integrations.token_store import token_store
from integrations.trackers.linear.form import FORM
from integrations.trackers.linear.webhooks import LinearWebhooks

if TYPE_CHECKING:
    from integrations.trackers.linear.oauth import TokenEndpoint

LinearClientId = Annotated[str, match_pattern(r"[A-Za-z0-9_-]{0,200}", "copy the client id from the app's page")]


class LinearSettings(ProviderSettings):
    """Endpoint and credentials. Source: https://linear.app/developers"""

    api_url: Url = setting("LINEAR_API_URL", "https://api.linear.app/graphql")
    """URL of Linear's GraphQL endpoint.
    Changed for a stand-in only."""
    uploads_url: Url = setting("LINEAR_UPLOADS_URL", "https://uploads.linear.app")
    """URL prefix of files that were uploaded to Linear, whose images the agents get.
    Changed for a stand-in only."""
    api_key: SecretStr = setting("LINEAR_API_KEY", "", seen_by=("worker",), usual=True)
    """Personal API key (lin_api_…); Loopline's comments and changes appear under that person.
    Set this, LINEAR_ACCESS_TOKEN or LINEAR_CLIENT_ID."""
    access_token: SecretStr = setting("LINEAR_ACCESS_TOKEN", "", seen_by=("worker",))
    """OAuth access token of an app (actor=app), which Loopline cannot renew; most end after 24 hours.
    LINEAR_CLIENT_ID and LINEAR_CLIENT_SECRET are better."""
    client_id: LinearClientId = setting("LINEAR_CLIENT_ID", "")
    """Client id of an OAuth app; Loopline's comments and changes appear under the app, and its tokens are renewed.
    Works with client credentials, or after /oauth/linear/install on the dashboard."""
    client_secret: SecretStr = setting("LINEAR_CLIENT_SECRET", "", seen_by=("worker",))
    """Client secret of the OAuth app."""

    webhook_secrets: Secrets = setting("LINEAR_WEBHOOK_SECRETS", "", seen_by=("web",), usual=True)
    """Signing secrets of Linear's webhook, comma separated.
    Several, for rotation without downtime; each has at least 12 characters."""

    def missing_credentials(self) -> Iterator[str]:
        """A key, a token or an app."""
        fixed = self.api_key.get_secret_value() or self.access_token.get_secret_value()
        app = (self.client_id, self.client_secret.get_secret_value())
        if any(app) and not all(app):
            yield "LINEAR_CLIENT_ID and LINEAR_CLIENT_SECRET belong together; one of them is empty."
        elif any(app) and fixed:
            yield "LINEAR_CLIENT_ID and a fixed Linear key or token are both set; keep one of them."
        elif not any(app) and not fixed:
            yield (
                "LINEAR_API_KEY, LINEAR_ACCESS_TOKEN and LINEAR_CLIENT_ID are all empty; set one of them to read and "
                "write tickets."
            )


def _build(settings: LinearSettings) -> Tracker:
    if settings.client_id:
        from integrations.trackers.linear.workspaces import LinearWorkspaces

        return LinearWorkspaces(settings.api_url, _build_endpoint(settings), token_store(), settings.uploads_url)
    from integrations.trackers.linear.tracker import Linear

    key, token = settings.api_key.get_secret_value(), settings.access_token.get_secret_value()
    return Linear(settings.api_url, key, token, uploads_url=settings.uploads_url)


def _build_endpoint(settings: LinearSettings) -> TokenEndpoint:
    from integrations.trackers.linear.oauth import TokenEndpoint

    return TokenEndpoint(settings.api_url, settings.client_id, settings.client_secret.get_secret_value())


def _authorize_url(settings: LinearSettings, redirect_uri: str, state: str, challenge: str) -> str:
    from integrations.trackers.linear.oauth import build_authorize_url

    return build_authorize_url(settings.api_url, settings.client_id, redirect_uri, state, challenge)


def _connect(settings: LinearSettings, code: str, redirect_uri: str, verifier: str) -> str:
    from integrations.trackers.linear.workspaces import connect_workspace

    endpoint = _build_endpoint(settings)
    return connect_workspace(settings.api_url, endpoint, token_store(), code, redirect_uri, verifier)


def _set_up(settings: LinearSettings) -> TrackerSetup:
    from integrations.trackers.linear.client import LinearClient
    from integrations.trackers.linear.credentials import AppCredential
    from integrations.trackers.linear.setup import LinearSetup

    key, token = settings.api_key.get_secret_value(), settings.access_token.get_secret_value()
    app = AppCredential(_build_endpoint(settings), token_store()) if settings.client_id else None
    return LinearSetup(LinearClient(settings.api_url, key, token, credential=app))


LINEAR = TrackerProvider(
    name="linear",
    settings=LinearSettings,
    build=_build,
    form=FORM,
    set_up=_set_up,
    webhooks=Webhooks(  # payloads are a few kilobytes
        LinearWebhooks(),
        "LINEAR_WEBHOOK_SECRETS",
        access_events=frozenset({"OAuthApp", "OAuthAuthorization", "PermissionChange"}),
    ),
    installation=Installation("LINEAR_CLIENT_ID", _authorize_url, _connect),
)
