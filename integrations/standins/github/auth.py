"""Authentication and permissions. Tokens are read here and nowhere else."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jwt

from integrations.standins.github.problems import Problem
from integrations.standins.github.seed import ROLES, App, Installation, Role, Seed, User

TOKEN_LIFE_S = 3600
LONGEST_JWT_S = 600
LEVELS: tuple[str, ...] = ROLES  # of an App's permissions
BAD_JWT = "A JSON web token could not be decoded"
EXPIRED_JWT = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion"
    " expires"
)


@dataclass(frozen=True)
class Actor:
    """The caller of a request. `permissions` and `repositories` are those of an installation token."""

    kind: Literal["anonymous", "user", "app", "installation"]
    login: str = ""
    user: User | None = None
    app: App | None = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    repositories: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Under which the requests of the caller are counted."""
        return f"{self.kind}:{self.login}"

    def role(self, repository: str, private: bool) -> Role:
        """The actor's role in this repository, before the permissions of an App."""
        granted: Role = "none" if private else "read"
        if self.user is not None:
            granted = max(granted, self.user.permissions.get(repository, "none"), key=ROLES.index)
        if self.kind == "installation" and repository in self.repositories:
            granted = "write"
        return granted

    def may(self, permission: str) -> bool:
        """Whether an installation token has `permission`, as 'pull_requests:write'; people have all of them."""
        if self.kind != "installation":
            return True
        name, _, level = permission.partition(":")
        return LEVELS.index(self.permissions.get(name, "none")) >= LEVELS.index(level)


ANONYMOUS = Actor("anonymous")


def person(user: User) -> Actor:
    """A person, by token or chosen on a page."""
    return Actor("user", user.login, user=user)


class Gate:
    """Turns credentials into actors, and issues installation tokens.

    An installation token is `ghs_<app id>_<JSON web token>` as GitHub's are since 2026, signed with this server's own
    secret, so it survives a restart."""

    def __init__(self, seed: Seed, secret: str, renamed: Mapping[str, str] | None = None) -> None:
        """`renamed` has the present name of each repository by its old one: a token holds for the repository."""
        self._seed = seed
        self.renamed = dict(renamed or {})
        self._secret = secret

    def from_header(self, header: str | None) -> Actor:
        """The actor of an `Authorization` header of the API. Raises a 401 `Problem`."""
        if not header:
            return ANONYMOUS
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

    def issue(self, app: App, permissions: Mapping[str, str], repositories: Sequence[str]) -> tuple[str, int]:
        """A new installation token and the Unix second of its expiry."""
        expires = int(time.time()) + TOKEN_LIFE_S
        rights = {"permissions": dict(permissions), "repositories": list(repositories)}
        claims = {"iss": str(app.id), "exp": expires, **rights}
        return f"ghs_{app.id}_{jwt.encode(claims, self._secret, algorithm='HS256')}", expires

    def _installation(self, token: str) -> Actor:
        try:
            claims = jwt.decode(
                token.split("_", 2)[2], self._secret, algorithms=["HS256"], options={"verify_iss": False}
            )
        except (jwt.PyJWTError, IndexError):
            raise Problem(401, "Bad credentials") from None
        app = next((one for one in self._seed.apps if str(one.id) == claims["iss"]), None)
        if app is None:
            raise Problem(401, "Bad credentials")
        names = frozenset(self.renamed.get(name, name) for name in claims["repositories"])
        return Actor("installation", app.bot, None, app, claims["permissions"], names)

    def _app(self, token: str) -> Actor:
        """The App that signed `token`, with GitHub's messages."""
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
            raise Problem(401, EXPIRED_JWT) from None
        except jwt.PyJWTError:
            raise Problem(401, BAD_JWT) from None
        if claims["exp"] > time.time() + LONGEST_JWT_S + 5:
            raise Problem(401, "'Expiration time' claim ('exp') is too far in the future")
        return Actor("app", app.slug, app=app)

    def _signer(self, token: str) -> App:
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise Problem(401, BAD_JWT) from None
        for app in self._seed.apps:
            if str(issuer) == str(app.id):
                return app
        raise Problem(404, "Integration not found")


def installation_on(app: App, repository: str) -> Installation | None:
    """The App's installation on a repository."""
    return next((one for one in app.installations if repository in one.repositories), None)
