"""The job that asks the code host for webhooks that it could not hand over. Ordered by the clock; acts on nothing else.

What comes of it comes through the door, like any other delivery.
"""

from __future__ import annotations

import time

import structlog

from integrations.errors import IntegrationError
from jobs.effects.world import current_world
from jobs.runtime import queues

SINCE_SECONDS = 3 * 86_400  # GitHub forgets deliveries after three days
_log = structlog.get_logger(__name__)


def redeliver() -> None:
    """RQ's entry: one look at every team's repository."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.REDELIVER_WAKE_FLAG)
    for repository in sorted({team.repository for team in world.policy.teams.values()}):
        try:
            asked = world.code_host.redeliver(repository, time.time() - SINCE_SECONDS)
        except IntegrationError as error:
            _log.info("missed deliveries could not be asked for", repository=repository, reason=str(error))
        else:
            if asked:
                _log.info("missed deliveries asked for", repository=repository, deliveries=asked)
