from __future__ import annotations

from tests.jobs.board import board
from tests.jobs.live_sessions import live
from tests.support.browser import browser
from tests.support.redis_fixtures import redis, redis_server, settings

__all__ = ["board", "browser", "live", "redis", "redis_server", "settings"]
