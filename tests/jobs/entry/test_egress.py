"""The egress process, started as the supervisor starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from integrations.egress.client import open_gateway
from integrations.egress.policy import EgressPolicy
from integrations.egress.server import CONTROL
from jobs.config.settings import Settings
from jobs.egress import FOLDER
from jobs.runtime.heartbeats import EGRESS, list_live_roles
from tests.integrations.egress.conftest import authority, running
from tests.integrations.egress.internet import FILES, Internet, connect_to, exchange
from tests.jobs.entry.test_processes import until
from tests.support.authority import Authority, CompanyProxy, listen
from tests.support.checkout import REPOSITORY

__all__ = ["authority", "running"]
Start = Callable[[], subprocess.Popen[bytes]]
GET = f"GET http://{FILES}/ HTTP/1.1\r\n\r\n".encode()


@pytest.fixture
def start(running: Internet, authority: Authority, settings: Settings, redis: Redis, tmp_path: Path) -> Iterator[Start]:
    """Starts the process behind a company's proxy, the only one that leads to the servers of the tests."""
    started: list[subprocess.Popen[bytes]] = []
    with listen(CompanyProxy(running.ports, "bWU6aHVzaC1odXNo").serve) as port:
        environ = {
            "PATH": "/usr/bin:/bin",
            "LOOPLINE_HOME": str(settings.home),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "LOOPLINE_EGRESS_PROXY": f"http://me:hush-hush@127.0.0.1:{port}",
            "LOOPLINE_CA_FILE": str(authority.file),
        }

        def begin() -> subprocess.Popen[bytes]:
            with (tmp_path / "egress.log").open("ab") as log:
                command = [sys.executable, "-m", "jobs", "egress"]
                started.append(subprocess.Popen(command, env=environ, cwd=REPOSITORY, stdout=log, stderr=log))
            return started[-1]

        yield begin
        for process in started:
            process.kill()
            process.wait()


def fetch(settings: Settings) -> bytes:
    policy = EgressPolicy((FILES,), "run-7", "npm ci")
    with open_gateway(settings.home / FOLDER, policy) as gateway, connect_to(gateway) as connection:
        return exchange(connection, GET)


def test_egress_process_serves_logs_and_stops(
    start: Start, settings: Settings, redis: Redis, tmp_path: Path, authority: Authority
) -> None:
    process = start()
    until(lambda: EGRESS in list_live_roles(redis))
    assert fetch(settings).endswith(b"hello")
    bundle = settings.home / FOLDER / "ca-certificates.pem"
    assert bundle.read_bytes() == authority.file.read_bytes()

    process.terminate()
    assert process.wait(10) == 0
    assert EGRESS not in list_live_roles(redis)
    log = (tmp_path / "egress.log").read_text()
    assert '"run": "run-7"' in log and '"event": "egress allowed"' in log and "hush" not in log


def test_egress_process_takes_over_from_a_killed_one_and_waits_for_a_living_one(
    start: Start, settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    first = start()
    until(lambda: EGRESS in list_live_roles(redis))
    second = start()
    until(lambda: "another egress proxy serves" in (tmp_path / "egress.log").read_text())
    second.kill()
    first.kill()
    first.wait()
    assert (settings.home / FOLDER / CONTROL).is_socket()
    redis.delete("alive")

    start()
    until(lambda: EGRESS in list_live_roles(redis))
    assert fetch(settings).endswith(b"hello")
