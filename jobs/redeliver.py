"""Requests redelivery of webhooks that the code host could not deliver. Queued by the clock."""

from __future__ import annotations

import structlog

from integrations.errors import IntegrationError
from jobs.effects.world import current_world
from jobs.runtime import queues

SINCE_SECONDS = 3 * 86_400  # GitHub keeps deliveries for three days
_log = structlog.get_logger(__name__)


def redeliver() -> None:
    """RQ's entry: request redelivery for every team's repository."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.REDELIVER)
    for repository in sorted({name for team in world.policy.teams.values() for name in team.repositories}):
        try:
            requested = world.code_host.redeliver(repository, world.now() - SINCE_SECONDS)
        except IntegrationError as error:
            _log.info("redelivery not requested", repository=repository, reason=str(error))
        else:
            if requested:
                _log.info("redelivery requested", repository=repository, deliveries=requested)
