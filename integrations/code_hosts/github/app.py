"""Tokens for GitHub: a personal one, or a GitHub App's tokens for one hour, one repository and one purpose.

Called by `code_host`, as the `Credentials` of its client. Tokens stay in memory: they are never stored or logged, and
their format is opaque.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jwt

from integrations.code_hosts.github import payloads as payloads
from integrations.code_hosts.github.api import GitHubApi, Grant, LostReply, build_path
from integrations.errors import Forbidden, NotFound, Rejected, Unauthorized, Unavailable
from integrations.server_time import server_clock

_APP_SETTINGS = "GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE"
_GRANT = "grant it in the App's settings on GitHub and accept the change in the installation"
_REFRESH_BEFORE_EXPIRY = 600.0
# GitHub allows ten minutes; one of them is for clock skew.
_JWT_SECONDS = 540
_CLOCK_SKEW = 60


@dataclass(frozen=True)
class AppCredentials:
    """A GitHub App. Without `installation_id`, the installation is looked up for each repository."""

    app_id: str
    private_key_pem: str = field(repr=False)
    installation_id: int | None = None
    settings: str = _APP_SETTINGS
    """Names of its settings, for errors."""


class PersonalToken:
    """`Credentials` with a personal access token, which has the permissions that its owner granted."""

    settings = "GITHUB_TOKEN"

    def __init__(self, token: str, settings: str = "GITHUB_TOKEN") -> None:
        if not re.fullmatch(r"[!-~]+", token):
            raise Unauthorized(f"{settings} is empty or contains a space or line break: set it again")
        self._token, self.settings = token, settings

    def token(self, grant: Grant) -> str:
        """The token, for any grant."""
        return self._token

    def invalidate(self, token: str) -> bool:
        """No: there is only one."""
        return False


class AppJwt:
    """`Credentials` of the App itself, to request installation tokens.

    Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app"""

    def __init__(self, app: AppCredentials, clock: Callable[[], float] | None = None) -> None:
        self._app, self.settings = app, app.settings
        self._clock = clock or server_clock("github").now
        self._ahead = 0.0  # of the monotonic clock, when the last JWT was created

    def token(self, grant: Grant) -> str:
        """A JWT for the next nine minutes. Raises `Unauthorized` for an invalid private key."""
        now = int(self._clock())
        self._ahead = now - time.monotonic()
        claims = {"iat": now - _CLOCK_SKEW, "exp": now + _JWT_SECONDS, "iss": self._app.app_id}
        try:
            return jwt.encode(claims, self._app.private_key_pem, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthorized(
                "GITHUB_APP_PRIVATE_KEY_FILE has no RSA private key in PEM format: download one from the App"
            ) from None

    def invalidate(self, token: str) -> bool:
        """Whether the clock was corrected since, by the Date of the refusal; otherwise a new one would be equal."""
        return abs(self._clock() - time.monotonic() - self._ahead) > _CLOCK_SKEW / 2


@dataclass
class _Slot:
    """A cached token. The thread that holds the lock creates it; others wait."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str = field(default="", repr=False)
    expires_at: float = 0.0


class InstallationTokens:
    """`Credentials` of an installed App: one cached token per grant, renewed ten minutes before it expires.

    Source: https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app"""

    def __init__(self, url: str, app: AppCredentials, clock: Callable[[], float] | None = None) -> None:
        self._app, self.settings = app, app.settings
        self._clock = clock or server_clock("github").now
        self._api = GitHubApi(url, AppJwt(app, self._clock))
        self._lock = threading.Lock()
        self._slots: dict[Grant, _Slot] = {}
        self._installations: dict[str, int] = {}

    def token(self, grant: Grant) -> str:
        """A token with these permissions on this repository. Raises `Forbidden` when the App is not installed there or
        lacks a permission."""
        with self._lock:
            slot = self._slots.setdefault(grant, _Slot())
        with slot.lock:
            if slot.expires_at - self._clock() < _REFRESH_BEFORE_EXPIRY:
                created = self._mint(grant)
                slot.token, slot.expires_at = created.token, created.expires_at.timestamp()
            return slot.token

    def invalidate(self, token: str) -> bool:
        """Drop a token that GitHub refused before it expired."""
        with self._lock:
            slots = [slot for slot in self._slots.values() if slot.token == token]
        for slot in slots:
            slot.expires_at = 0.0
        return True

    def close(self) -> None:
        """Close this thread's connections."""
        self._api.close()

    def _mint(self, grant: Grant) -> payloads.InstallationToken:
        name = grant.repository.partition("/")[2]
        wanted = {"repositories": [name], "permissions": dict(grant.permissions)}
        try:
            where = build_path("app", "installations", self._find_installation(grant.repository), "access_tokens")
            return self._api.send(payloads.InstallationToken, grant, "POST", where, wanted)
        except LostReply as lost:
            # A token that never arrived expires by itself, so there is nothing to read back.
            raise Unavailable(str(lost)) from lost
        except NotFound:
            raise self._not_installed(grant.repository) from None
        except (Unauthorized, Forbidden):
            raise
        except Rejected as refused:
            if "not accessible to the parent installation" in str(refused):
                raise self._not_installed(grant.repository) from None
            needed = ", ".join(f"{name}: {level}" for name, level in grant.permissions)
            fix = f"the App needs {needed} on {grant.repository}: {_GRANT}"
            raise Forbidden(f"{refused}; {fix}", needed) from None

    def find_missing_permissions(self, repository: str, needed: Mapping[str, str]) -> list[str]:
        """Those of `needed` ('contents': 'write') that the installation has not granted. Raises `Forbidden` when the
        App is not installed on the repository."""
        try:
            granted = self._read_installation(repository).permissions
        except NotFound:
            raise self._not_installed(repository) from None
        levels = ("", "read", "write", "admin")
        return [
            f"{name}: {level}"
            for name, level in needed.items()
            if granted.get(name, "") in levels and levels.index(granted.get(name, "")) < levels.index(level)
        ]

    def _not_installed(self, repository: str) -> Forbidden:
        """Not `NotFound`: for the caller that would be about the requested object."""
        self._installations.pop(repository, None)
        return Forbidden(
            f"the GitHub App {self._app.app_id} is not installed on {repository}: add the repository to the App's "
            "installation on GitHub, or fix GITHUB_APP_INSTALLATION_ID"
        )

    def _find_installation(self, repository: str) -> int:
        if self._app.installation_id is not None:
            return self._app.installation_id
        if repository not in self._installations:
            self._installations[repository] = self._read_installation(repository).id
        return self._installations[repository]

    def _read_installation(self, repository: str) -> payloads.Installation:
        where = build_path("repos", repository, "installation")
        return self._api.get(payloads.Installation, Grant(repository), where)
