"""The credential of a Linear workspace: a fixed key or token, or the tokens of an OAuth app, which are renewed.

Used by `client` for each request. A token is renewed after 90 % of its life and when Linear refuses it, by one process
at a time; the new pair is stored before it is used. Other processes see it at their next request.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from integrations.errors import NotConnected, Unauthorized, Unavailable
from integrations.token_store import TokenStore
from integrations.trackers.linear.oauth import SETTINGS, TOKENS, InvalidGrant, TokenEndpoint, Tokens

log = structlog.get_logger(__name__)

OWN_WORKSPACE: Final = "linear/app"
"""The name of the token by client credentials; those of installations are 'linear/' and the organization's id."""
INSTALL: Final = "connect a workspace at /oauth/linear/install of the dashboard"
_FRESH_SECONDS: Final = 60.0  # a token that is refused so soon after its issue is not renewed again


class Credential(Protocol):
    """`name` names the settings to fix. `workspace` identifies the workspace among several; empty for the only one."""

    name: str
    workspace: str

    def authorization(self) -> str:
        """The value of the Authorization header for the next request. Raises `Unavailable` and `Unauthorized`."""

    def renew(self, refused: str) -> bool:
        """Linear refused this value with 401; returns whether there is another one to try."""


class FixedCredential:
    """An API key is sent bare, an OAuth token as a bearer (linear.app/developers/graphql); the token wins."""

    workspace = ""

    def __init__(self, api_key: str, access_token: str) -> None:
        self.name = "LINEAR_ACCESS_TOKEN" if access_token else "LINEAR_API_KEY"
        self._header = f"Bearer {access_token}" if access_token else api_key
        value = access_token or api_key
        if not value:
            raise Unauthorized("LINEAR_API_KEY and LINEAR_ACCESS_TOKEN are both empty: set one of them")
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise Unauthorized(f"{self.name} has a character that is invalid in a header: copy it again")

    def authorization(self) -> str:
        return self._header

    def renew(self, refused: str) -> bool:
        """No: there is only one."""
        return False


class AppCredential:
    """The app's token for one workspace, in the store under `workspace`, shared by all processes."""

    name = SETTINGS

    def __init__(self, endpoint: TokenEndpoint, store: TokenStore, workspace: str = OWN_WORKSPACE) -> None:
        self._endpoint, self._store, self.workspace = endpoint, store, workspace

    def authorization(self) -> str:
        tokens = self._read()
        if tokens is None or tokens.renew_at <= self._endpoint.now():
            try:
                tokens = self._replace(tokens)
            except Unavailable as error:
                if tokens is None or tokens.expires_at <= self._endpoint.now():
                    raise
                log.warning("token not renewed, will retry", workspace=self.workspace, reason=str(error))
        return f"Bearer {tokens.access_token}"

    def renew(self, refused: str) -> bool:
        """Whether the token was replaced, here or by another process."""
        tokens = self._read()
        if tokens and f"Bearer {tokens.access_token}" == refused:
            if self._endpoint.now() - tokens.issued_at < _FRESH_SECONDS:
                return False
            self._replace(tokens)
        return True

    def is_stored(self) -> bool:
        """Whether there are tokens of this app."""
        return self._read() is not None

    def replace(self, tokens: Tokens, workspace: str) -> None:
        """Store the tokens of a new installation; `workspace` is the organization's name."""
        with self._store.lock(self.workspace):
            self._store.write(self.workspace, TOKENS.dump_json(replace(tokens, workspace=workspace)).decode())
        log.info("workspace connected", workspace=self.workspace)

    def _read(self) -> Tokens | None:
        """The stored tokens; None without any, and for those of another app or release."""
        text = self._store.read(self.workspace)
        try:
            tokens = TOKENS.validate_json(text) if text else None
        except ValidationError:
            return None
        return tokens if tokens and tokens.client_id == self._endpoint.client_id else None

    def _replace(self, old: Tokens | None) -> Tokens:
        """New tokens instead of `old`, or those by which another process has replaced it meanwhile."""
        with self._store.lock(self.workspace):
            stored = self._read()
            if stored and stored != old:
                return stored
            tokens = self._request(stored)
            self._store.write(self.workspace, TOKENS.dump_json(tokens).decode())
        log.info("token renewed" if old else "token issued", workspace=self.workspace, expires_at=tokens.expires_at)
        return tokens

    def _request(self, stored: Tokens | None) -> Tokens:
        """New tokens. After a refusal the store is read again: it can have newer tokens than `stored`, from a process
        whose lock has expired."""
        name = (stored and stored.workspace) or self.workspace
        fix = f"workspace {name} has revoked Loopline's app, or its refresh token is outdated; {INSTALL}"
        try:
            if self.workspace == OWN_WORKSPACE:
                fix = f"switch on client credentials for the app in Linear, or {INSTALL}"
                return self._endpoint.mint()
            if stored is None:
                raise NotConnected(f"the tokens of a Linear workspace cannot be read: {INSTALL}")
            renewed = self._endpoint.refresh(stored.refresh_token)
        except InvalidGrant as refused:
            if (newer := self._read()) and newer != stored:
                return newer
            raise NotConnected(f"{refused}: {fix}") from refused
        kept = renewed.refresh_token or stored.refresh_token
        return replace(renewed, workspace=stored.workspace, refresh_token=kept)
