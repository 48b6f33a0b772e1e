from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from jobs.runtime.keys import INBOX
from service.supervisor import embedded_redis
from tests.service.conftest import Web, moved, pushed, serving, until
from tests.support.spools import spooled


class OwnRedis:
    """A Redis that a test can kill."""

    def __init__(self, home: Settings) -> None:
        self.home = home
        self.client: Redis = connect(home)
        self.start()

    def start(self) -> None:
        self._process = embedded_redis.start(self.home.redis_socket, subprocess.DEVNULL)
        embedded_redis.wait_for(self.client, self._process)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Without a reply, as behind a firewall that drops packets."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def inbox(self) -> list[bytes]:
        return [fields[b"body"] for _, fields in self.client.xrange(INBOX)]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnRedis]:
    redis = OwnRedis(Settings(home=tmp_path / "home"))
    yield redis
    redis.kill()
    redis.client.close()


@pytest.fixture
def web(own: OwnRedis, tmp_path: Path) -> Iterator[Web]:
    with serving(own.home.home, "", tmp_path / "web.log") as running:
        yield running


def test_endpoint_without_redis_requests_a_retry_from_linear(web: Web, own: OwnRedis) -> None:
    own.kill()
    answer = web.linear(moved())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    own.start()
    assert web.linear(moved()).body == {"accepted": True}


def test_endpoint_without_redis_spools_github_deliveries_once_and_in_order(web: Web, own: OwnRedis) -> None:
    own.kill()
    for sha in "abcab":
        assert web.github(pushed(sha)).status == 200
    assert len(spooled(own.home.home)) == 5
    own.start()
    until(lambda: len(own.inbox()) == 3)
    until(lambda: not spooled(own.home.home))
    assert own.inbox() == [pushed(sha) for sha in "abc"]
    assert web.github(pushed("b")).body == {"accepted": "duplicate"}


def test_spool_of_a_killed_web_process_is_drained_by_the_next(own: OwnRedis, tmp_path: Path) -> None:
    own.kill()
    with serving(own.home.home, "", tmp_path / "first.log") as web:
        assert web.github(pushed()).status == 200
    own.start()
    with serving(own.home.home, "", tmp_path / "second.log"):
        until(lambda: own.inbox() == [pushed()])


def test_endpoint_with_a_read_only_redis_spools(web: Web, own: OwnRedis) -> None:
    own.client.config_set("maxmemory", 1)
    assert web.linear(moved()).status == 503
    assert web.github(pushed()).status == 200
    own.client.config_set("maxmemory", 0)
    until(lambda: own.inbox() == [pushed()])


def test_endpoint_with_a_frozen_redis_responds_before_the_timeout_of_linear(web: Web, own: OwnRedis) -> None:
    own.client.execute_command("CLIENT", "PAUSE", "15000", "WRITE")
    began = time.monotonic()
    assert web.linear(moved()).status == 503
    assert time.monotonic() - began < 5
    own.client.execute_command("CLIENT", "UNPAUSE")


@pytest.mark.parametrize("connects_first", [False, pytest.param(True, marks=pytest.mark.long)])
def test_endpoint_with_a_stopped_redis_responds_before_the_timeout_of_linear(
    web: Web, own: OwnRedis, connects_first: bool
) -> None:
    if connects_first:
        assert web.linear(moved()).status == 200
    with own.stopped():
        for _ in range(2):  # the second request has to connect again
            began = time.monotonic()
            assert web.linear(moved()).status == 503
            assert time.monotonic() - began < 4
        began = time.monotonic()
        assert set(web.send("GET", "/readyz").body["failing"]) == {"redis"}
        assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("option", "value", "normal"),
    [
        ("maxmemory", "1", "0"),
        pytest.param("min-replicas-to-write", "1", "0", marks=pytest.mark.long),
        pytest.param("replica", "", "", marks=pytest.mark.long),
    ],
)
def test_readyz_reports_a_redis_that_refuses_writes(
    web: Web, own: OwnRedis, option: str, value: str, normal: str
) -> None:
    if option == "replica":
        own.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    else:
        own.client.config_set(option, value)
    failing = web.send("GET", "/readyz").body["failing"]
    if option == "replica":
        own.client.execute_command("REPLICAOF", "NO", "ONE")
    else:
        own.client.config_set(option, normal)
    assert failing["redis"].startswith("Redis refuses commands: ")
    assert "redis" not in web.send("GET", "/readyz").body["failing"]


def test_endpoint_responds_503_when_the_spool_cannot_be_written(web: Web, own: OwnRedis) -> None:
    own.kill()
    (own.home.home / "spool").write_text("in the way")
    assert web.github(pushed()).status == 503
    assert "delivery lost" in web.log.read_text()


def test_endpoint_without_redis_is_healthy_and_not_ready(web: Web, own: OwnRedis) -> None:
    own.kill()
    assert web.send("GET", "/healthz").status == 200
    answer = web.send("GET", "/readyz")
    assert answer.status == 503
    assert set(answer.body["failing"]) == {"redis"}
