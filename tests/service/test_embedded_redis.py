from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from jobs.config.settings import Settings
from jobs.runtime.connection import check_persistence, connect
from service.supervisor import embedded_redis
from service.supervisor.embedded_redis import CannotStart
from tests.crash.disk import replay_in_namespace, small_disk
from tests.support.checkout import REPOSITORY


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def server(home: Settings) -> Iterator[subprocess.Popen[bytes]]:
    process = started(home)
    with process:
        yield process
        process.kill()


def started(home: Settings) -> subprocess.Popen[bytes]:
    process = embedded_redis.start(home.redis_socket, subprocess.DEVNULL)
    with connect(home) as redis:
        embedded_redis.wait_for(redis, process)
    return process


@pytest.fixture
def client(home: Settings, server: subprocess.Popen[bytes]) -> Iterator[Redis]:
    with connect(home) as redis:
        yield redis


def test_embedded_redis_syncs_every_command_to_disk(client: Redis) -> None:
    assert check_persistence(client) == []


def test_embedded_redis_is_private_to_the_user(home: Settings, client: Redis) -> None:
    assert home.redis_socket.stat().st_mode & 0o777 == 0o700
    assert home.redis_socket.parent.stat().st_mode & 0o777 == 0o700
    assert client.config_get("port") == {"port": "0"}


def test_embedded_redis_keeps_acknowledged_writes_after_a_kill(
    home: Settings, server: subprocess.Popen[bytes], client: Redis
) -> None:
    for number in range(200):
        client.rpush("accepted", number)
    server.kill()
    server.wait()
    with started(home) as again:
        assert client.lrange("accepted", 0, -1) == [b"%d" % number for number in range(200)]
        again.kill()


def test_embedded_redis_started_twice_reports_the_first_pid(home: Settings, server: subprocess.Popen[bytes]) -> None:
    with pytest.raises(CannotStart, match=rf"already runs in .*\(pid {server.pid}\)"):
        embedded_redis.start(home.redis_socket)


def test_embedded_redis_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from service.supervisor import embedded_redis\n"
        "print(embedded_redis.start(pathlib.Path(sys.argv[1]), 2).pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "redis.sock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=REPOSITORY) as starter:
        assert starter.stdout
        pid = int(starter.stdout.readline())
        watched = os.pidfd_open(pid)
        starter.kill()
    assert select.select([watched], [], [], 10)[0], "the server outlived its starter"
    os.close(watched)


def test_embedded_redis_uses_a_link_for_a_long_path(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / ("long" * 30))
    with started(home) as process, connect(home) as redis:
        assert redis.ping()
        assert len(bytes(home.redis_socket)) > 107
        place = home.redis_socket.readlink()
        process.kill()
    with started(home) as process, connect(home) as redis:
        assert home.redis_socket.readlink() == place
        process.kill()
    place.unlink(missing_ok=True)
    place.parent.rmdir()


def test_embedded_redis_starts_after_a_reboot_that_emptied_the_folder_of_its_socket(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / ("long" * 30))
    with started(home) as process, connect(home) as redis:
        redis.set("kept", 1)
        place = home.redis_socket.readlink()
        process.kill()
    shutil.rmtree(place.parent)
    with started(home) as process, connect(home) as redis:
        assert redis.get("kept") == b"1"
        place = home.redis_socket.readlink()
        process.kill()
    shutil.rmtree(place.parent)


def test_embedded_redis_does_not_follow_a_link_to_a_shared_folder(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / ("long" * 30))
    (open_to_all := tmp_path / "open").mkdir()
    open_to_all.chmod(0o777)
    home.redis_socket.parent.mkdir(parents=True)
    home.redis_socket.symlink_to(open_to_all / "redis.sock")
    with started(home) as process:
        place = home.redis_socket.readlink()
        process.kill()
    assert place.parent != open_to_all
    place.unlink(missing_ok=True)
    place.parent.rmdir()


def test_embedded_redis_that_exits_early_raises(home: Settings) -> None:
    (home.redis_socket.parent / "appendonlydir").mkdir(parents=True)
    (home.redis_socket.parent / "appendonlydir/appendonly.aof.manifest").write_text("garbage")
    process = embedded_redis.start(home.redis_socket, subprocess.DEVNULL)
    with process, connect(home) as redis, pytest.raises(CannotStart, match="ended with code"):
        embedded_redis.wait_for(redis, process)


def test_embedded_redis_without_a_server_binary_raises_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CannotStart, match="set REDIS_URL"):
        embedded_redis.find_binary_on_path()


def test_embedded_redis_keeps_acknowledged_writes_over_a_full_disk(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It ends when it cannot write; restarted on the full disk it ends again, and afterwards it loads a torn file."""
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "home", megabytes=20) as disk:
        home, accepted = Settings(home=disk.folder), 0
        with started(home) as process, connect(home, timeout=5, retries=0) as redis, pytest.raises(RedisError):
            disk.fill()
            while True:
                redis.rpush("accepted", "x" * 100)
                accepted += 1
        assert process.returncode
        with started(home) as process, connect(home, timeout=5, retries=0) as redis, pytest.raises(RedisError):
            assert redis.llen("accepted") == accepted
            while True:
                redis.rpush("other", "x" * 10_000)
        assert process.returncode
        disk.free()
        with started(home) as process, connect(home) as redis:
            assert redis.rpush("accepted", "more") == accepted + 1
            process.kill()
