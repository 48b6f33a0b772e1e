from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.connection import build_redis_url, check_persistence, connect, find_refusal
from service.supervisor.embedded_redis import find_server_binary, wait_for


@pytest.fixture
def unsafe(redis: Redis) -> Iterator[Redis]:
    """A Redis whose settings are restored after the test."""
    yield redis
    for name, value in {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}.items():
        redis.config_set(name, value)


def test_embedded_redis_is_durable(redis: Redis) -> None:
    assert check_persistence(redis) == []


@pytest.mark.parametrize(
    ("name", "value"), [("appendonly", "no"), ("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")]
)
def test_redis_that_is_not_durable_is_reported_with_the_setting(unsafe: Redis, name: str, value: str) -> None:
    unsafe.config_set(name, value)
    (sentence,) = check_persistence(unsafe)
    assert f"has {name} {value}" in sentence


@pytest.mark.parametrize(
    ("user", "query", "reason"),
    [("", "?db=9999", "DB index is out of range"), ("nobody:wrong-password@", "", "invalid username-password pair")],
)
def test_redis_that_refuses_the_url_is_reported(
    redis: Redis, settings: Settings, user: str, query: str, reason: str
) -> None:
    url = settings.redis_url.get_secret_value().replace("unix://", f"unix://{user}") + query
    with connect(Settings(redis_url=url)) as refused:
        (sentence,) = find_refusal(refused)
    assert find_refusal(redis) == []
    assert reason in sentence and sentence.startswith("REDIS_URL: ") and "wrong-password" not in sentence


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--cluster-enabled", "yes"], "runs in cluster mode"),
        (["--sentinel"], "runs in sentinel mode"),
        (["--replicaof", "127.0.0.1", "1"], "is a read-only replica"),
    ],
)
def test_redis_of_a_mode_that_cannot_be_used_is_reported(tmp_path: Path, options: list[str], reason: str) -> None:
    socket, file = tmp_path / "s", tmp_path / "redis.conf"
    file.write_text(f"port 0\nunixsocket {socket}\ndir {tmp_path}\n")
    process = subprocess.Popen([find_server_binary(), file, *options], stdout=subprocess.DEVNULL)
    try:
        with connect(Settings(redis_url=f"unix://{socket}")) as redis:
            wait_for(redis, process)
            (sentence,) = find_refusal(redis)
    finally:
        process.kill()
        process.wait()
    assert sentence.startswith("REDIS_URL: the server") and reason in sentence


def test_redis_that_forbids_config_get_is_reported_once(redis: Redis, settings: Settings) -> None:
    redis.acl_setuser("managed", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    url = settings.redis_url.get_secret_value().replace("unix://", "unix://managed:x@")
    with connect(Settings(redis_url=url)) as managed:
        (sentence,) = check_persistence(managed)
    redis.acl_deluser("managed")
    assert "does not allow CONFIG GET" in sentence
    assert "appendfsync always" in sentence


def test_redis_replies_are_bytes(redis: Redis) -> None:
    redis.set("key", "value")
    assert redis.get("key") == b"value"


def test_redis_url_defaults_to_the_embedded_redis() -> None:
    assert build_redis_url(Settings(home=Path("/srv/loop line"))) == "unix:///srv/loop%20line/redis/redis.sock"


def test_redis_url_is_the_configured_one() -> None:
    assert build_redis_url(Settings(redis_url="redis://db:1/2")) == "redis://db:1/2"
