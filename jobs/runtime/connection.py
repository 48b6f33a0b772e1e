"""Redis client, and the check that Redis is configured for durability. Called by every entry point.

The client retries commands after a broken connection, so a script can run twice: every script is idempotent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from jobs.config.settings import Settings
from jobs.runtime.scripts import decode

SOCKET_PATH_LIMIT = 100  # bytes; Linux takes 107, macOS 103
_REQUIRED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def connect(settings: Settings, timeout: float = 30.0, retries: int = 2, *, retry_timeouts: bool = True) -> Redis:
    """Return a client of the configured Redis without connecting. `timeout` is in seconds per command.

    The web process uses a short timeout and retries broken connections only, because a webhook has to be answered
    within 5 s also while Redis accepts connections and does not reply."""
    repeated = (RedisConnectionError, RedisTimeoutError) if retry_timeouts else (RedisConnectionError,)
    options: dict[str, Any] = {
        "decode_responses": False,
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 5.0),
        "health_check_interval": 30,
        "max_connections": 512,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.1, cap=1.0), retries, supported_errors=repeated),
    }
    return Redis.from_url(build_redis_url(settings), **options)


def build_redis_url(settings: Settings) -> str:
    """Return the URL of the configured Redis, or of the embedded one when none is configured."""
    return settings.redis_url.get_secret_value() or f"unix://{quote(str(resolve_socket(settings.redis_socket)))}"


def resolve_socket(socket: Path) -> Path:
    """Return `socket`, or the target of its link when the path is too long for a socket address."""
    return socket.readlink() if len(bytes(socket)) > SOCKET_PATH_LIMIT and socket.is_symlink() else socket


def find_refusal(redis: Redis) -> list[str]:
    """Return one sentence when REDIS_URL names a server that cannot be used, or one that refuses its database, user or
    password, else nothing."""
    try:
        redis.ping()
        server, role = redis.info("server"), redis.info("replication").get("role")
    except (ResponseError, AuthenticationError) as error:
        return [f"REDIS_URL: Redis refuses the connection ({error}); correct the database, user or password."]
    mode = server.get("redis_mode") or server.get("server_mode")  # Redis, Valkey
    if mode in ("cluster", "sentinel"):
        return [f"REDIS_URL: the server runs in {mode} mode; use a single server (for Sentinel: its current primary)."]
    return ["REDIS_URL: the server is a read-only replica; use its primary."] if role == "slave" else []


def check_persistence(redis: Redis) -> list[str]:
    """Return the settings that put accepted webhooks at risk, one sentence each; empty when Redis is durable."""
    try:
        found: dict[str, str] = {}
        for name in _REQUIRED:
            reply: dict[Any, Any] = redis.config_get(name)
            found.update({decode(key): decode(value) for key, value in reply.items()})
    except ResponseError as error:
        required = ", ".join(f"{name} {value}" for name, value in _REQUIRED.items())
        return [f"Redis does not allow CONFIG GET ({error}); make sure that it has {required}."]
    problems = [
        f"Redis has {name} {found.get(name, '(unknown)')}; Loopline needs {name} {required}."
        for name, required in _REQUIRED.items()
        if found.get(name) != required
    ]
    if redis.info("persistence").get("aof_last_write_status", "ok") != "ok":
        problems.append("The last write of Redis to its append-only file failed; check its disk.")
    return problems
