"""The way to Redis, and whether that Redis keeps what it acknowledges. Called by every entry point.

Commands are sent again once or twice after a broken connection, so a script may run twice: all of ours may.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from jobs.config.settings import Settings

SOCKET_PATH_LIMIT = 100  # bytes; Linux takes 107, macOS 103
_WANTED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def connect(settings: Settings, timeout: float = 30.0, retries: int = 2) -> Redis:
    """A client of the configured Redis, made without talking to it. `timeout` in seconds per command.

    The web process asks for little patience, since a webhook has to be answered within 5 s."""
    options: dict[str, Any] = {
        "decode_responses": False,
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 5.0),
        "health_check_interval": 30,
        "max_connections": 512,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.1, cap=1.0), retries),
    }
    return Redis.from_url(address(settings), **options)


def address(settings: Settings) -> str:
    """The URL of the configured Redis; the embedded one's when none is configured."""
    return settings.redis_url.get_secret_value() or f"unix://{quote(str(reachable(settings.redis_socket)))}"


def reachable(socket: Path) -> Path:
    """`socket`, or what it links to when the path is too long for a socket's address."""
    return socket.readlink() if len(bytes(socket)) > SOCKET_PATH_LIMIT and socket.is_symlink() else socket


def check_persistence(redis: Redis) -> list[str]:
    """What keeps this Redis from being trusted with accepted webhooks, one sentence each; empty is good."""
    try:
        found: dict[str, str] = {}
        for name in _WANTED:
            found.update({_text(key): _text(value) for key, value in redis.config_get(name).items()})
    except ResponseError as error:
        return [f"Redis does not show its configuration ({error}); make sure that it has {_wanted_text()}."]
    problems = [
        f"Redis has {name} {found.get(name, '(unknown)')}; Loopline needs {name} {wanted}."
        for name, wanted in _WANTED.items()
        if found.get(name) != wanted
    ]
    if redis.info("persistence").get("aof_last_write_status", "ok") != "ok":
        problems.append("Redis could not write its append-only file the last time it tried; look at its disk.")
    return problems


def _wanted_text() -> str:
    return ", ".join(f"{name} {wanted}" for name, wanted in _WANTED.items())


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
