"""Puts verified deliveries into the inbox, exactly once. Called by the webhook endpoint and the spool."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from redis import Redis

from integrations.ports.source import Delivery
from jobs.runtime import keys
from jobs.runtime.scripts import run_script

REMEMBER_MS = 7 * 24 * 3600 * 1000  # senders retry for hours, and can be asked to redeliver for days


@dataclass(frozen=True)
class Received:
    """A verified delivery and its arrival time in Unix seconds."""

    delivery: Delivery
    at: float


def accept(redis: Redis, received: Received) -> bool:
    """Add the delivery to the inbox; False for a duplicate, by id or content. Raises `redis.exceptions.RedisError`,
    also while the inbox is full."""
    delivery = received.delivery
    # The id comes in an unsigned header; its prefix keeps it from matching a content key.
    names = (f"id:{delivery.delivery_id}", f"key:{delivery.content_key}")
    seen = [keys.seen_delivery(delivery.source, name) for name in names]
    fields = asdict(delivery) | {"stale": int(delivery.stale), "received_at": f"{received.at:.3f}"}
    arguments = [part for field in fields.items() for part in field]
    return run_script(redis, "intake", [*seen, keys.INBOX], [REMEMBER_MS, *arguments]) is not None
