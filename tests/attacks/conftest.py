from __future__ import annotations

from tests.support.redis_fixtures import redis, redis_server, settings

__all__ = ["redis", "redis_server", "settings"]
