"""The password of the dashboard: that of the settings, else a generated one in the home folder."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from integrations.errors import Rejected
from integrations.settings import SHORTEST_KEY
from jobs.config.settings import Settings

FILE = "dashboard-password"
_BYTES = 18  # 144 bits


def read_password(settings: Settings) -> str:
    """The password; generates it on first use. Processes that start at once get the same one.

    Raises `Rejected` with a sentence when the file can be neither read nor written."""
    own: str = settings.dashboard_password.get_secret_value()
    if own:
        return own
    file = settings.home / FILE
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            _create(file)
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise Rejected(
            f"LOOPLINE_DASHBOARD_PASSWORD is empty and {file} cannot be used ({reason}): set a password, or correct "
            "the permissions of the file"
        ) from error
    if len(password) < SHORTEST_KEY:
        raise Rejected(f"{file} holds fewer than {SHORTEST_KEY} characters: delete it to get a new password")
    return password


def _create(file: Path) -> None:
    """Create the file complete or not at all."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    draft.touch(0o600)
    with draft.open("w") as opened:
        opened.write(secrets.token_urlsafe(_BYTES) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()
