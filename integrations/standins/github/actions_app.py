"""The App of GitHub Actions and that of another CI service, which every repository has without an installation."""

from __future__ import annotations

from pathlib import Path

from integrations.standins.github.hub import Hub
from integrations.standins.github.seed import App

ACTIONS = App(id=15_368, slug="github-actions", name="GitHub Actions", public_key_file=Path("/dev/null"))
OTHER_CI = App(id=20_001, slug="acme-ci", name="Acme CI", public_key_file=Path("/dev/null"))


def find_app(hub: Hub, app_id: int) -> App | None:
    """The App with this id, None if there is none."""
    return next((one for one in (*hub.seed.apps, ACTIONS, OTHER_CI) if one.id == app_id), None)
