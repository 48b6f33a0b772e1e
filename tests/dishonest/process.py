"""A process that plays: it has an embedded Redis and a home folder of its own, which end with it.

Called by `report` and `languages.table` as the start of each process of their pools.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import structlog
from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.connection import connect, resolve_socket
from service.supervisor import embedded_redis


@dataclass(frozen=True)
class Place:
    """Where plays of this process run; `redis_url` is that of `redis`."""

    redis: Redis
    redis_url: str
    home: Path


_place: Place | None = None


def begin() -> None:
    """Start this process's Redis."""
    global _place
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    home = Path(tempfile.mkdtemp(prefix="loopline-dishonest-"))
    settings = Settings(home=home / "redis")
    with (home / "redis.log").open("wb") as log:
        server = embedded_redis.start(settings.redis_socket, log)
    redis = connect(settings)
    embedded_redis.wait_for(redis, server)
    atexit.register(_end, server, home)
    _place = Place(redis, f"unix://{resolve_socket(settings.redis_socket)}", home)


def place() -> Place:
    """That of this process, which has begun."""
    assert _place, "the process was begun"
    return _place


def _end(server: subprocess.Popen[bytes], home: Path) -> None:
    server.terminate()
    server.wait()
    shutil.rmtree(home, ignore_errors=True)
