from __future__ import annotations

from tests.integrations.agents.conftest import model, model_url, runner
from tests.jobs.roles.agents import agents, script, tally
from tests.support.redis_fixtures import redis, redis_server, settings

__all__ = ["agents", "model", "model_url", "redis", "redis_server", "runner", "script", "settings", "tally"]
