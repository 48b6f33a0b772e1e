"""Fixtures: the embedded Redis, settings that point to it, and a client. Imported by the conftest.py of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from integrations.outward import guard_outward
from integrations.request_budget import share_budget
from jobs.config.settings import Settings
from jobs.runtime.connection import connect, resolve_socket
from service.supervisor import embedded_redis
from tests.support.session import enter_once

__all__ = ["redis", "redis_server", "settings"]

_SERVER = pytest.StashKey[str]()


@contextmanager
def _running(home: Path) -> Iterator[str]:
    settings = Settings(home=home)
    with (settings.home / "redis.log").open("wb") as log:
        process = embedded_redis.start(settings.redis_socket, log)
    with process, connect(settings) as client:
        embedded_redis.wait_for(client, process)
        yield f"unix://{resolve_socket(settings.redis_socket)}"
        process.terminate()


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a running embedded Redis, as the supervisor starts it; one for the whole session."""
    return enter_once(pytestconfig, _SERVER, _running(tmp_path_factory.mktemp("redis-home")))


@pytest.fixture
def settings(tmp_path: Path, redis_server: str) -> Settings:
    """Default settings on a home of the test's own and the session's Redis."""
    return Settings(home=tmp_path / "home", redis_url=redis_server)


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    """A client of the real Redis, which is empty when the test begins. A world that the test installs guards effects
    with it until the test ends."""
    with connect(settings) as client:
        client.flushall()
        yield client
    guard_outward(lambda: None)
    share_budget(None)
