from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from jobs.clock import LEADER
from jobs.config.settings import Settings
from jobs.recovery import older_redis
from jobs.runtime import epoch, keys
from jobs.runtime.heartbeats import list_live_roles, send_heartbeat
from jobs.runtime.queues import AGENTS, EVENTS
from service.dashboard.reader import Reader
from service.web.health import failing_parts
from tests.support.checkout import REPOSITORY

Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start(settings: Settings, redis: Redis, tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []
    environ = {
        "PATH": "/usr/bin:/bin",
        "LOOPLINE_HOME": str(settings.home),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/shop"}}',
        "LINEAR_API_KEY": "lin_api_hush",
        "LINEAR_API_URL": "http://127.0.0.1:9/graphql",
        "GITHUB_TOKEN": "ghp_hush",
        "GITHUB_API_URL": "http://127.0.0.1:9",
    }

    def begin(role: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{role}.log").open("wb") as log:
            command = [sys.executable, "-m", "jobs", role]
            running.append(subprocess.Popen(command, env=environ, cwd=REPOSITORY, stdout=log, stderr=log))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_worker_stops_within_seconds_on_a_signal(start: Start, redis: Redis, number: signal.Signals) -> None:
    worker = start("worker")
    until(lambda: EVENTS in list_live_roles(redis, time.time()))
    worker.send_signal(number)
    assert worker.wait(10) == 0
    assert EVENTS not in list_live_roles(redis, time.time())


def test_clock_takes_the_lead_and_releases_it(start: Start, redis: Redis) -> None:
    clock = start("clock")
    until(lambda: redis.exists(keys.lease(LEADER)))
    clock.terminate()
    assert clock.wait(10) == 0
    assert not redis.exists(keys.lease(LEADER))


@pytest.mark.parametrize("role", ["clock", "worker"])
def test_process_refuses_the_redis_of_another_installation(
    start: Start, redis: Redis, settings: Settings, tmp_path: Path, role: str
) -> None:
    redis.hset(keys.EPOCH, mapping={"installation": "theirs", "number": 5})
    settings.home.mkdir()
    (settings.home / epoch.FILE).write_text('{"installation": "ours", "number": 5}')

    assert start(role).wait(30) == 2
    assert older_redis.FOREIGN in (tmp_path / f"{role}.log").read_text()
    assert redis.keys() == [keys.EPOCH.encode()]


def test_worker_starts_after_another_was_killed(start: Start, redis: Redis) -> None:
    first = start("worker")
    until(lambda: redis.scard("rq:workers:events") == 4)
    first.kill()
    start("worker")
    until(lambda: redis.scard("rq:workers:events") == 8)


def test_worker_logs_its_start_and_stop_without_secrets(start: Start, redis: Redis, tmp_path: Path) -> None:
    worker = start("worker")
    until(lambda: EVENTS in list_live_roles(redis, time.time()))
    worker.terminate()
    worker.wait(10)
    log = (tmp_path / "worker.log").read_text()
    assert '"role": "worker"' in log
    assert '"event": "working"' in log and '"event": "stopping"' in log
    assert "hush" not in log


FORBID = """
import ctypes, os, sys
uid = os.getuid()
assert ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER
open("/proc/self/uid_map", "w").write(f"1000 {uid} 1")
open("/proc/sys/user/max_user_namespaces", "w").write("0")
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Continues as an ordinary user of a host that forbids user namespaces."""


def test_agent_on_a_host_without_user_namespaces_refuses_and_readyz_gives_the_reason(
    settings: Settings, redis: Redis
) -> None:
    older_redis.prepare(redis, settings.home)
    environ = {
        "PATH": "/usr/bin:/bin", "LOOPLINE_HOME": str(settings.home), "ANTHROPIC_API_KEY": "sk-ant-hush-hush",
        "REDIS_URL": settings.redis_url.get_secret_value(),
    }  # fmt: skip
    command = [sys.executable, "-c", FORBID, sys.executable, "-m", "jobs", "agent"]
    ended = subprocess.run(command, env=environ, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    reason = ended.stderr.strip().splitlines()[-1]
    assert "this machine forbids user namespaces: set user.max_user_namespaces=10000 with sysctl" in reason
    assert failing_parts(settings, redis)[AGENTS].startswith("No agent process serves the queue `agents`, because ")
    assert reason.rstrip(".") in failing_parts(settings, redis)[AGENTS]
    assert any(reason.rstrip(".") in notice for notice in Reader(redis, settings).notices())
    send_heartbeat(redis, AGENTS)
    assert AGENTS not in failing_parts(settings, redis) and not any(
        "sandbox" in n for n in Reader(redis, settings).notices()
    )
