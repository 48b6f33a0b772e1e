"""Puts verified deliveries into the inbox, exactly once. Called by the webhook endpoint and the spool."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import structlog
from redis import Redis

from integrations.ports.source import Delivery
from jobs.runtime import keys
from jobs.runtime.scripts import run_script

_log = structlog.get_logger(__name__)
_ID_REUSED = 2  # lua/intake.lua
REMEMBER_MS = 7 * 24 * 3600 * 1000  # senders retry for hours, and can be asked to redeliver for days


@dataclass(frozen=True)
class Received:
    """A verified delivery and its arrival time in Unix seconds."""

    delivery: Delivery
    at: float


def accept(redis: Redis, received: Received) -> bool:
    """Add the delivery to the inbox; False for a duplicate. Raises `redis.exceptions.RedisError`, also while the inbox
    is full.

    The content decides: the id comes in an unsigned header, so one that is used again with another signed body does not
    hide that body, and is logged."""
    delivery = received.delivery
    # The prefix keeps an id from matching a content key.
    names = (f"id:{delivery.delivery_id}", f"key:{delivery.content_key}")
    seen = [keys.seen_delivery(delivery.source, name) for name in names]
    fields = asdict(delivery) | {"stale": int(delivery.stale), "received_at": f"{received.at:.3f}"}
    arguments = [part for field in fields.items() for part in field]
    outcome = run_script(redis, "intake", [*seen, keys.INBOX], [REMEMBER_MS, *arguments])
    if outcome == _ID_REUSED:
        _log.warning(
            "suspicious delivery: id reused with another body", source=delivery.source, delivery=delivery.delivery_id
        )
    return outcome is not None
