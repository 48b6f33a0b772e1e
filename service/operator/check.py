"""Configuration check with real requests: Redis, the board's columns, the repositories.

Called by `python -m service check`. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator

from redis.exceptions import RedisError

from integrations.errors import IntegrationError
from jobs.config.settings import Settings
from jobs.effects.build import build_code_host, build_tracker
from jobs.runtime.connection import check_persistence, connect


def find_problems(settings: Settings) -> list[str]:
    """Return one sentence per problem. The embedded Redis is not checked, as Loopline configures it."""
    configured = bool(settings.redis_url.get_secret_value())
    return [*(_check_redis(settings) if configured else ()), *_check_teams(settings)]


def _check_redis(settings: Settings) -> Iterator[str]:
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            yield from check_persistence(redis)
        except RedisError as error:
            yield f"REDIS_URL: Redis does not respond ({error})."


def _check_teams(settings: Settings) -> Iterator[str]:
    """Check each team's columns and repository with the configured credentials."""
    board, host = build_tracker(settings), build_code_host(settings)
    assert board and host, "the role `up` has both"
    for key, team in settings.teams.items():
        try:
            board.check_columns(key, team.columns.names())
        except IntegrationError as error:
            yield f"LOOPLINE_TEAMS, team {key}: {error}"
        try:
            host.repository(team.repository)
        except IntegrationError as error:
            yield f"LOOPLINE_TEAMS, repository {team.repository}: {error}"
