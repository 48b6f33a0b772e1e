from __future__ import annotations

from tests.jobs.roles.agents import agents, script, tally
from tests.support.redis_fixtures import redis, redis_server, settings

__all__ = ["agents", "redis", "redis_server", "script", "settings", "tally"]
