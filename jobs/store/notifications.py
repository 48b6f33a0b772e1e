"""Queues of notifications, one per target, in Redis. Filled by performers, emptied by `jobs.notify`.

A notification is claimed before it is sent: after a crash in between, its outcome is unknown and it is not sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis

from integrations.values import Codec, value
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script

KEPT_SECONDS = 30 * 86_400
"""For which ids are deduplicated."""
QUEUE_SECONDS = 86_400
"""For which the queue of a target lives that is no longer configured."""


@value
class Notification:
    """A plain text for people. `id` is the same at every retry of the command that sends it, `at` Unix seconds."""

    id: str
    team: str
    title: str
    body: str
    at: float = 0.0


NOTIFICATION: Codec[Notification] = Codec(Notification)


@dataclass(frozen=True)
class Claimed:
    """A notification that is being sent. `raw` is its exact text in the list."""

    notification: Notification
    raw: bytes


@dataclass(frozen=True)
class Backoff:
    """Of a target that failed: how often in a row, why, and when the next attempt is due, Unix seconds."""

    failures: int = 0
    reason: str = ""
    due: float = 0.0


class Notifications:
    """The queues in one Redis. A target is an id of `integrations.notifications.identify_target`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def queue(self, target: str, notification: Notification) -> bool:
        """Queue it; False, without effect, for an id that this target has got before."""
        at, names = notification.at, [keys.known_notifications(target), keys.notifications(target)]
        args: list[str | float] = [
            notification.id,
            at,
            NOTIFICATION.encode(notification),
            at - KEPT_SECONDS,
            KEPT_SECONDS,
        ]
        return bool(run_script(self._redis, "queue_notification", names, args))

    def has_any(self, target: str) -> bool:
        """Whether a notification for this target is not settled."""
        return bool(self._redis.exists(keys.notifications(target), keys.claimed_notification(target)))

    def claim(self, target: str) -> Claimed | None:
        """Take the oldest one; None when the queue is empty."""
        raw: Any = self._redis.lmove(keys.notifications(target), keys.claimed_notification(target), "LEFT", "RIGHT")
        return Claimed(NOTIFICATION.decode(raw), raw) if raw else None

    def settle(self, target: str, claimed: Claimed) -> None:
        """Forget one that was sent or is given up."""
        self._redis.lrem(keys.claimed_notification(target), 1, claimed.raw)  # type: ignore[arg-type]

    def return_claimed(self, lease: Lease, target: str, claimed: Claimed) -> None:
        """Put it back to the head of the queue, because it was certainly not sent."""
        names = [keys.lease(lease.name), keys.claimed_notification(target), keys.notifications(target)]
        run_script(self._redis, "return_notification", names, [lease.token, claimed.raw, QUEUE_SECONDS])

    def take_interrupted(self, target: str) -> list[Notification]:
        """Those that a process had claimed when it died, once."""
        found: Any = self._redis.lrange(key := keys.claimed_notification(target), 0, -1)
        if found:
            self._redis.delete(key)
        return [NOTIFICATION.decode(raw) for raw in found]

    def read_backoff(self, target: str) -> Backoff:
        """The target's backoff; without failures for one that works."""
        found: Any = self._redis.hgetall(keys.target_backoff(target))
        known = {decode(name): decode(text) for name, text in found.items()}
        return Backoff(int(known.get("failures", 0)), known.get("reason", ""), float(known.get("due", 0)))

    def set_backoff(self, target: str, backoff: Backoff) -> None:
        """Store it; one without failures ends it."""
        key = keys.target_backoff(target)
        if not backoff.failures:
            self._redis.delete(key)
            return
        self._redis.hset(key, mapping={"failures": backoff.failures, "reason": backoff.reason, "due": backoff.due})
        self._redis.expire(key, QUEUE_SECONDS)
