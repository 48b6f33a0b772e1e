"""Jot as a provider. Installed by its entry point."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import SecretStr

from integrations.ports.provider import ProviderSettings, TrackerProvider, Webhooks
from integrations.ports.tracker import Tracker
from integrations.settings import OptionalFile, Secrets, setting

from .webhooks import JotWebhooks


class JotSettings(ProviderSettings):
    """File and token of the board."""

    file: OptionalFile = setting("JOT_FILE", "")
    """Path of the board."""

    token: SecretStr = setting("JOT_TOKEN", "", seen_by=("worker",))
    """Token of the board."""

    webhook_secrets: Secrets = setting("JOT_WEBHOOK_SECRETS", "", seen_by=("web",))
    """Signing secrets of the webhooks, comma separated."""

    def missing_credentials(self) -> Iterator[str]:
        """The file and its token."""
        if not self.file:
            yield "JOT_FILE is empty; the board has to be somewhere."
        if not self.token.get_secret_value():
            yield "JOT_TOKEN is empty; tickets cannot be read without it."


def _build(settings: JotSettings) -> Tracker:
    from .tracker import Jot

    assert settings.file
    return Jot(settings.file, settings.token.get_secret_value())


JOT = TrackerProvider(
    name="jot",
    settings=JotSettings,
    build=_build,
    webhooks=Webhooks(JotWebhooks(), "JOT_WEBHOOK_SECRETS", largest_body=10_000),
)
