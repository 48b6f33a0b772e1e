from __future__ import annotations

from tests.jobs.board import board
from tests.support.redis_fixtures import redis, redis_server, settings

__all__ = ["board", "redis", "redis_server", "settings"]
