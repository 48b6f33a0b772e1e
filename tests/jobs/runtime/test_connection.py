from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.connection import address, check_persistence, connect


@pytest.fixture
def careless(redis: Redis) -> Iterator[Redis]:
    """A Redis whose settings a test may spoil."""
    yield redis
    for name, value in {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}.items():
        redis.config_set(name, value)


def test_the_embedded_redis_keeps_what_it_acknowledges(redis: Redis) -> None:
    assert check_persistence(redis) == []


@pytest.mark.parametrize(
    ("name", "value"), [("appendonly", "no"), ("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")]
)
def test_a_redis_that_may_forget_is_named_with_the_setting(careless: Redis, name: str, value: str) -> None:
    careless.config_set(name, value)
    (sentence,) = check_persistence(careless)
    assert f"has {name} {value}" in sentence


def test_a_redis_that_hides_its_configuration_is_one_problem(redis: Redis, settings: Settings) -> None:
    redis.acl_setuser("managed", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    url = settings.redis_url.get_secret_value().replace("unix://", "unix://managed:x@")
    with connect(Settings(redis_url=url)) as managed:
        (sentence,) = check_persistence(managed)
    redis.acl_deluser("managed")
    assert "does not show its configuration" in sentence
    assert "appendfsync always" in sentence


def test_answers_are_bytes(redis: Redis) -> None:
    redis.set("key", "value")
    assert redis.get("key") == b"value"


def test_without_a_url_the_embedded_redis_is_meant() -> None:
    assert address(Settings(home=Path("/srv/loop line"))) == "unix:///srv/loop%20line/redis/redis.sock"


def test_a_configured_url_is_used_as_it_is() -> None:
    assert address(Settings(redis_url="redis://db:1/2")) == "redis://db:1/2"
