"""When each team got its last digest, in Redis."""

from __future__ import annotations

from contextlib import suppress

from pydantic import ValidationError
from redis import Redis

from jobs.loop.digest import DIGEST_RECORD, DigestRecord
from jobs.runtime import keys


def load_digest(redis: Redis, team: str) -> DigestRecord | None:
    """The record of the last digest; None before the first one, and for one of another release."""
    raw = redis.hget(keys.DIGESTS, team)
    with suppress(ValidationError):
        return DIGEST_RECORD.decode(raw) if raw else None
    return None


def save_digest(redis: Redis, team: str, record: DigestRecord) -> None:
    """Replace the record."""
    redis.hset(keys.DIGESTS, team, DIGEST_RECORD.encode(record))
