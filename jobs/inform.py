"""Informs people about what has no ticket of its own: problems in the triage inbox, digests, queued notifications.

Queued by the clock. One process works on it at a time, under a lease.
"""

from __future__ import annotations

import structlog
from redis.exceptions import RedisError

from integrations.errors import Frozen
from integrations.request_budget import Priority, use_priority
from jobs.effects.digests import send_due_digests
from jobs.effects.notifying import has_queued_notifications, notify_of_further_escalations
from jobs.effects.problems import update_inbox
from jobs.effects.world import current_world
from jobs.runtime import queues
from jobs.runtime.lease import hold
from jobs.runtime.scripts import LeaseLost

_log = structlog.get_logger(__name__)


def inform() -> None:
    """RQ's entry: one round. An unexpected error of one part does not stop the others."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.INFORM)
    with hold(world.redis, "inform") as lease, use_priority(Priority.BACKGROUND):
        if lease is None or world.freeze.is_frozen():
            return
        for part in (update_inbox, send_due_digests, notify_of_further_escalations):
            try:
                part(world, lease)
            except (Frozen, LeaseLost) as error:
                _log.info("round interrupted", reason=str(error))
                break
            except RedisError:
                raise
            except Exception:
                _log.exception("unexpected error", item=part.__name__)
                if world.raise_faults:
                    raise
    if has_queued_notifications(world):
        queues.wake(world.redis, queues.NOTIFY)
