"""What keeps Loopline from working, found out by asking: Redis, the board's columns, the repositories.

Called by `python -m service check`. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator

from redis.exceptions import RedisError

from integrations.errors import IntegrationError
from jobs.config.settings import Settings
from jobs.effects.build import code_host_of, tracker_of
from jobs.runtime.connection import check_persistence, connect


def problems(settings: Settings) -> list[str]:
    """One sentence each; empty when all is well. The embedded Redis is set up rightly by ourselves."""
    configured = bool(settings.redis_url.get_secret_value())
    return [*(_redis(settings) if configured else ()), *_teams(settings)]


def _redis(settings: Settings) -> Iterator[str]:
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            yield from check_persistence(redis)
        except RedisError as error:
            yield f"REDIS_URL: Redis does not answer ({error})."


def _teams(settings: Settings) -> Iterator[str]:
    """Each team's columns and repository, with the settings' own credentials."""
    board, host = tracker_of(settings), code_host_of(settings)
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
