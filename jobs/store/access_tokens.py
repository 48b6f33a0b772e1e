"""Tokens with which people use the MCP server: `loopline_<id>_<secret>`. Redis has the SHA-256 of the secret alone.

A token names a person by the e-mail address; what the person can do is looked up on the board at each use.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from redis import Redis

from integrations.values import Codec, value
from jobs.runtime import keys

PREFIX = "loopline"
_FORM = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")
_NO_DIGEST = "0" * 64


@value
class AccessToken:
    """A person's token. `digest` is the SHA-256 of its secret; times are Unix seconds."""

    id: str
    email: str
    digest: str
    created_at: float
    expires_at: float
    created_by: str = ""


ACCESS_TOKEN: Codec[AccessToken] = Codec(AccessToken)


class AccessTokens:
    """The tokens in one Redis. Expired ones stay listed until they are revoked."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def create(self, email: str, now: float, seconds: float, by: str = "") -> tuple[AccessToken, str]:
        """A new token and its text, which is not stored."""
        token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = AccessToken(
            id=token_id,
            email=email.lower(),
            digest=_digest(secret),
            created_at=now,
            expires_at=now + seconds,
            created_by=by,
        )
        self._redis.hset(keys.ACCESS_TOKENS, token_id, ACCESS_TOKEN.encode(token))
        return token, f"{PREFIX}_{token_id}_{secret}"

    def all(self) -> list[AccessToken]:
        """All tokens, by person and time."""
        found = [ACCESS_TOKEN.decode(raw) for raw in self._redis.hvals(keys.ACCESS_TOKENS)]
        return sorted(found, key=lambda token: (token.email, token.created_at))

    def revoke(self, which: str) -> list[AccessToken]:
        """Delete the token with this id, or all of the person with this address; returns them."""
        found = [token for token in self.all() if which.lower() in (token.id, token.email)]
        if found:
            self._redis.hdel(keys.ACCESS_TOKENS, *(token.id for token in found))
        return found

    def verify(self, text: str, now: float) -> AccessToken | None:
        """The token that was given, unless it is unknown or has expired. The secret is compared in constant time."""
        parts = _FORM.fullmatch(text)
        if not parts:
            return None
        raw = self._redis.hget(keys.ACCESS_TOKENS, parts[1])
        token = ACCESS_TOKEN.decode(raw) if raw else None
        matches = hmac.compare_digest(_digest(parts[2]), token.digest if token else _NO_DIGEST)
        return token if token and matches and now < token.expires_at else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
