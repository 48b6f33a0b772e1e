"""Linear as a provider: settings, webhooks, tracker."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import SecretStr

from integrations.ports.provider import ProviderSettings, TrackerProvider, Webhooks
from integrations.ports.setup import TrackerSetup
from integrations.ports.tracker import Tracker
from integrations.settings import Secrets, Url, setting
from integrations.trackers.linear.form import FORM
from integrations.trackers.linear.webhooks import LinearWebhooks


class LinearSettings(ProviderSettings):
    """Endpoint and credentials. Source: https://linear.app/developers"""

    api_url: Url = setting("LINEAR_API_URL", "https://api.linear.app/graphql")
    """URL of Linear's GraphQL endpoint.
    Changed for a stand-in only."""
    api_key: SecretStr = setting("LINEAR_API_KEY", "", seen_by=("worker",), usual=True)
    """Personal API key (lin_api_…); Loopline's comments and changes appear under that person.
    Set this or LINEAR_ACCESS_TOKEN."""
    access_token: SecretStr = setting("LINEAR_ACCESS_TOKEN", "", seen_by=("worker",))
    """OAuth access token of an app (actor=app); Loopline's comments and changes appear under the app.
    Set this or LINEAR_API_KEY."""

    webhook_secrets: Secrets = setting("LINEAR_WEBHOOK_SECRETS", "", seen_by=("web",), usual=True)
    """Signing secrets of Linear's webhook, comma separated.
    Several, for rotation without downtime; each has at least 12 characters."""

    def missing_credentials(self) -> Iterator[str]:
        """A key or a token."""
        if not (self.api_key.get_secret_value() or self.access_token.get_secret_value()):
            yield "LINEAR_API_KEY and LINEAR_ACCESS_TOKEN are both empty; set one of them to read and write tickets."


def _build(settings: LinearSettings) -> Tracker:
    from integrations.trackers.linear.tracker import Linear

    return Linear(settings.api_url, settings.api_key.get_secret_value(), settings.access_token.get_secret_value())


def _set_up(settings: LinearSettings) -> TrackerSetup:
    from integrations.trackers.linear.client import LinearClient
    from integrations.trackers.linear.setup import LinearSetup

    key, token = settings.api_key.get_secret_value(), settings.access_token.get_secret_value()
    return LinearSetup(LinearClient(settings.api_url, key, token))


LINEAR = TrackerProvider(
    name="linear",
    settings=LinearSettings,
    build=_build,
    form=FORM,
    set_up=_set_up,
    webhooks=Webhooks(LinearWebhooks(), "LINEAR_WEBHOOK_SECRETS"),  # payloads are a few kilobytes
)
