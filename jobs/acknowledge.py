"""Sends the first activity of new agent sessions. Queued by the dispatcher; the clock repeats what was missed.

The tracker shows a session as unresponsive after ten seconds. So this has a queue and a slot of its own, reads nothing
first, and does not wait for the ticket's lease, a work tree or an agent.
"""

from __future__ import annotations

import structlog

from integrations.errors import Frozen, IntegrationError, Unauthorized, Unavailable
from integrations.waits import LONGEST_WAIT
from jobs.effects.sessions import acknowledge_session
from jobs.effects.world import current_world
from jobs.runtime import keys, queues
from jobs.runtime.scripts import decode

RETRY_SECONDS = 2.0
_log = structlog.get_logger(__name__)


def acknowledge() -> None:
    """RQ's entry: acknowledge every session that waits. One that the tracker rejects is left out."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.ACKNOWLEDGE)
    for raw_id, identifier in world.redis.hgetall(keys.NEW_SESSIONS).items():
        session_id = decode(raw_id)
        try:
            acknowledge_session(session_id, decode(identifier), world)
        except Frozen:
            return  # the clock queues it again after the thaw
        except (Unavailable, Unauthorized) as error:
            wait = min(getattr(error, "retry_after", None) or RETRY_SECONDS, LONGEST_WAIT)
            world.redis.set(keys.retry_at(keys.NEW_SESSIONS), 1, px=int(wait * 1000))
            _log.warning("session not acknowledged, will retry", session=session_id, reason=str(error))
            return
        except IntegrationError as error:
            _log.warning("session rejected", session=session_id, reason=str(error))
        world.redis.hdel(keys.NEW_SESSIONS, session_id)
