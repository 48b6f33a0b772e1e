"""Makes a verified delivery durable, exactly once. Called by the door, and by the spool when Redis is back.

It does not look into the body and knows no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from integrations.ports.source import Delivery
from jobs.runtime import keys
from jobs.runtime.scripts import run_script

REMEMBER_MS = 7 * 24 * 3600 * 1000  # senders retry for hours, and can be asked to redeliver for days


@dataclass(frozen=True)
class Received:
    """A verified delivery and when it came, in Unix seconds."""

    delivery: Delivery
    at: float


def accept(redis: Redis, received: Received) -> bool:
    """Put the delivery into the inbox; False when it is there already, under this id or with this content.

    Raises `redis.exceptions.RedisError`, and then nothing is promised."""
    delivery = received.delivery
    seen = [keys.seen_delivery(delivery.source, f"{kind}:{one}") for kind, one in _names(delivery)]
    fields: dict[str, str | bytes | int] = {
        "source": delivery.source,
        "delivery_id": delivery.delivery_id,
        "content_key": delivery.content_key,
        "event": delivery.event,
        "stale": int(delivery.stale),
        "received_at": f"{received.at:.3f}",
        "body": delivery.body,
    }
    arguments: list[str | bytes | int | float] = [part for field in fields.items() for part in field]
    return run_script(redis, "intake", [*seen, keys.INBOX], [REMEMBER_MS, *arguments]) is not None


def _names(delivery: Delivery) -> tuple[tuple[str, str], tuple[str, str]]:
    """The id comes in an unsigned header, so it must not be able to spell a content key."""
    return ("id", delivery.delivery_id), ("key", delivery.content_key)
