from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from jobs.runtime import keys
from jobs.runtime.dead_processes import list_dead_processes, register_process, release_leases_of_dead_processes
from jobs.runtime.heartbeats import list_live_roles, send_heartbeat
from jobs.runtime.lease import LIFE_MS, OWNER, hold

REGISTER = "import pathlib, jobs.runtime.dead_processes as d; d.register_process(pathlib.Path(sys.argv[1]))"
HOLDER = """
import sys, time
from pathlib import Path
from redis import Redis
from jobs.runtime.lease import hold
from jobs.runtime.dead_processes import register_process
from jobs.runtime.heartbeats import send_heartbeat
register_process(Path(sys.argv[1]))
redis = Redis.from_url(sys.argv[2])
with hold(redis, "t1") as lease:
    send_heartbeat(redis, "other")
    print("holding", flush=True)
    time.sleep(60)
"""


def test_dead_process_loses_its_leases_and_a_live_one_keeps_them(
    redis: Redis, redis_server: str, tmp_path: Path
) -> None:
    register_process(tmp_path)
    send_heartbeat(redis, "mine")
    command = [sys.executable, "-c", HOLDER, str(tmp_path), redis_server]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder, hold(redis, "t2") as mine:
        assert holder.stdout and holder.stdout.readline() == b"holding\n"
        release_leases_of_dead_processes(redis, tmp_path)
        assert redis.exists(keys.lease("t1"))

        holder.kill()
        holder.wait()
        assert len(list_dead_processes(tmp_path)) == 1
        release_leases_of_dead_processes(redis, tmp_path)
        assert list_dead_processes(tmp_path) == []
        assert not redis.exists(keys.lease("t1"))
        assert list_live_roles(redis, 0.0) == {"mine"}
        assert mine and redis.get(keys.lease("t2")) == mine.token.encode()
    assert [file.name for file in (tmp_path / "alive").iterdir()] == [OWNER]


def test_dead_process_detection_ignores_other_homes(redis: Redis, tmp_path: Path) -> None:
    with hold(redis, "t1") as lease:
        release_leases_of_dead_processes(redis, tmp_path)
        assert lease and redis.get(keys.lease("t1")) == lease.token.encode()


def test_dead_process_detection_ignores_other_kernels(redis: Redis, redis_server: str, tmp_path: Path) -> None:
    """Its lock can be invisible here. Its file is deleted after a day."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path), redis_server]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"holding\n"
        holder.kill()
    (file,) = (tmp_path / "alive").iterdir()
    file.write_text("another")
    release_leases_of_dead_processes(redis, tmp_path)
    assert redis.exists(keys.lease("t1"))

    os.utime(file, (0, 0))
    register_process(tmp_path)
    subprocess.run([sys.executable, "-c", "import sys; " + REGISTER, str(tmp_path)], check=True)
    release_leases_of_dead_processes(redis, tmp_path)
    assert [file.name for file in (tmp_path / "alive").iterdir()] == [OWNER]


def test_process_that_cannot_be_registered_works_unregistered(tmp_path: Path) -> None:
    """As on a disk without inodes: its leases expire after a timeout when it dies."""
    (tmp_path / "alive").symlink_to("/dev/full")
    register_process(tmp_path)
    assert list_dead_processes(tmp_path) == []


def test_dead_process_detection_survives_exhausted_file_descriptors(redis: Redis, tmp_path: Path) -> None:
    register_process(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        assert list_dead_processes(tmp_path) == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("boot", ["this", "the former"])
def test_dead_process_whose_pid_belongs_to_another_process_now_is_dead(redis: Redis, tmp_path: Path, boot: str) -> None:
    """The lock counts, not the pid in the name. Of a former boot the leases expire, as of another host."""
    register_process(tmp_path)
    known = (tmp_path / "alive" / OWNER).read_bytes()
    reused = OWNER.rpartition("-")[0] + "-00000000"
    (tmp_path / "alive" / reused).write_bytes(known if boot == "this" else b"a former boot")
    redis.set(keys.lease("t1"), f"{reused}:mark:1", px=LIFE_MS)

    release_leases_of_dead_processes(redis, tmp_path)

    assert bool(redis.exists(keys.lease("t1"))) == (boot == "the former")
    assert list_dead_processes(tmp_path) == []
