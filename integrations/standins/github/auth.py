"""Who is calling, and what may they do. Called by the edges (`rest`, `smart_http`, `pages`) and by `operations`.

Tokens are looked at here and nowhere else. Nothing here writes.
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jwt

from integrations.standins.github.problems import Problem
from integrations.standins.github.records import Revocation
from integrations.standins.github.seed import ROLES, App, Installation, Role, Seed, User
from integrations.standins.github.store import Store

TOKEN_LIFE_S = 3600
LONGEST_JWT_S = 600
LEVELS = ("none", "read", "write", "admin")


@dataclass(frozen=True)
class Actor:
    """Whoever sent the request. For an installation, `permissions` and `repositories` are what its token carries."""

    kind: Literal["nobody", "user", "app", "installation"]
    login: str = ""
    user: User | None = None
    app: App | None = None
    installation: Installation | None = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    repositories: frozenset[str] = frozenset()
    token_id: str = ""

    def role(self, repository: str, private: bool) -> Role:
        """What the actor is in this repository, before an App's permissions are looked at."""
        granted: Role = "none" if private else "read"
        if self.user is not None:
            granted = max(granted, self.user.permissions.get(repository, "none"), key=ROLES.index)
        if self.kind == "installation" and repository in self.repositories:
            granted = "write"
        return granted

    def may(self, permission: str) -> bool:
        """Whether an installation's token has `permission`, as 'pull_requests:write'; people have all of them."""
        if self.kind != "installation":
            return True
        name, _, level = permission.partition(":")
        return LEVELS.index(self.permissions.get(name, "none")) >= LEVELS.index(level)


NOBODY = Actor("nobody")


def person(user: User) -> Actor:
    """A person, by token or chosen on a page."""
    return Actor("user", user.login, user=user)


class Gate:
    """Turns credentials into actors, and makes installation tokens.

    An installation token is `ghs_<app id>_<JSON web token>` as GitHub's are since 2026, signed with this server's own
    secret, so a restart forgets none."""

    def __init__(self, seed: Seed, store: Store, secret: str) -> None:
        self._seed = seed
        self._store = store
        self._secret = secret

    def from_header(self, header: str | None) -> Actor:
        """The actor of an `Authorization` header of the API. Raises a 401 `Problem`."""
        if not header:
            return NOBODY
        scheme, _, token = header.partition(" ")
        if scheme.lower() not in ("token", "bearer"):
            raise Problem(401, "Bad credentials")
        token = token.strip()
        if scheme.lower() == "bearer" and token.count(".") == 2 and not token.startswith("ghs_"):
            return self._app(token)
        return self.from_token(token)

    def from_token(self, token: str) -> Actor:
        """The actor of a personal or an installation token. Raises a 401 `Problem`."""
        if token.startswith("ghs_"):
            return self._installation(token)
        for user in self._seed.users:
            if user.token and hmac.compare_digest(user.token.encode(), token.encode()):
                return person(user)
        raise Problem(401, "Bad credentials")

    def issue(
        self, app: App, installation: Installation, permissions: Mapping[str, str], repositories: Sequence[str]
    ) -> tuple[str, int]:
        """A new installation token and the Unix second at which it ends."""
        expires = int(time.time()) + TOKEN_LIFE_S
        claims = {
            "iss": str(app.id),
            "installation": installation.id,
            "permissions": dict(permissions),
            "repositories": list(repositories),
            "jti": uuid.uuid4().hex,
            "exp": expires,
        }
        return f"ghs_{app.id}_{jwt.encode(claims, self._secret, algorithm='HS256')}", expires

    def find_app(self, id: int) -> tuple[App, Installation] | None:
        """The App that has the installation `id`."""
        return next(((app, one) for app in self._seed.apps for one in app.installations if one.id == id), None)

    def _installation(self, token: str) -> Actor:
        try:
            claims = jwt.decode(token.split("_", 2)[2], self._secret, algorithms=["HS256"])
        except (jwt.PyJWTError, IndexError):
            raise Problem(401, "Bad credentials") from None
        found = self.find_app(claims["installation"])
        if found is None or self._store.all(Revocation, token_id=claims["jti"]):
            raise Problem(401, "Bad credentials")
        app, installation = found
        rights = claims["permissions"], frozenset(claims["repositories"])
        return Actor("installation", app.bot, None, app, installation, *rights, token_id=claims["jti"])

    def _app(self, token: str) -> Actor:
        """The App that signed `token`. Messages as GitHub's."""
        app = self._signer(token)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                app.public_key_file.read_text(),
                algorithms=["RS256"],
                leeway=5,
                options={"require": ["exp", "iat"], "verify_iss": False},
            )
        except (jwt.ExpiredSignatureError, jwt.MissingRequiredClaimError):
            raise Problem(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the"
                " assertion expires",
            ) from None
        except jwt.PyJWTError:
            raise Problem(401, "A JSON web token could not be decoded") from None
        if claims["exp"] > time.time() + LONGEST_JWT_S + 5:
            raise Problem(401, "'Expiration time' claim ('exp') is too far in the future")
        return Actor("app", app.slug, app=app)

    def _signer(self, token: str) -> App:
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise Problem(401, "A JSON web token could not be decoded") from None
        for app in self._seed.apps:
            if str(issuer) in (str(app.id), client_id(app)):
                return app
        raise Problem(404, "Integration not found")


def client_id(app: App) -> str:
    """The App's client id, which may stand for its id in a JSON web token."""
    return f"Iv23li{app.id:014d}"
