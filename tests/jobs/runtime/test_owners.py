from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from redis import Redis

from jobs.runtime import keys
from jobs.runtime.dead_processes import announce, clear_away_the_dead, dead
from jobs.runtime.heartbeats import alive, beat
from jobs.runtime.lease import OWNER, hold

ANNOUNCE = "from pathlib import Path; from jobs.runtime.dead_processes import announce; announce(Path(sys.argv[1]))"
HOLDER = """
import sys, time
from pathlib import Path
from redis import Redis
from jobs.runtime.lease import hold
from jobs.runtime.dead_processes import announce
from jobs.runtime.heartbeats import beat
announce(Path(sys.argv[1]))
redis = Redis.from_url(sys.argv[2])
with hold(redis, "t1") as lease:
    beat(redis, "other")
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_dead_process_holds_nothing_and_a_living_one_keeps_its_own(
    redis: Redis, redis_server: str, tmp_path: Path
) -> None:
    announce(tmp_path)
    beat(redis, "mine")
    command = [sys.executable, "-c", HOLDER, str(tmp_path), redis_server]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder, hold(redis, "t2") as mine:
        assert holder.stdout and holder.stdout.readline() == b"holding\n"
        clear_away_the_dead(redis, tmp_path)
        assert redis.exists(keys.lease("t1"))

        holder.kill()
        holder.wait()
        assert len(dead(tmp_path)) == 1
        clear_away_the_dead(redis, tmp_path)
        assert dead(tmp_path) == []
        assert not redis.exists(keys.lease("t1"))
        assert alive(redis, 0.0) == {"mine"}
        assert mine and redis.get(keys.lease("t2")) == mine.token.encode()
    assert [file.name for file in (tmp_path / "alive").iterdir()] == [OWNER]


def test_a_process_of_another_folder_is_not_judged(redis: Redis, tmp_path: Path) -> None:
    with hold(redis, "t1") as lease:
        clear_away_the_dead(redis, tmp_path)
        assert lease and redis.get(keys.lease("t1")) == lease.token.encode()


def test_a_process_under_another_kernel_is_not_judged(redis: Redis, redis_server: str, tmp_path: Path) -> None:
    """Its lock may mean nothing here. After a day its file goes."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path), redis_server]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"holding\n"
        holder.kill()
    (file,) = (tmp_path / "alive").iterdir()
    file.write_text("another")
    clear_away_the_dead(redis, tmp_path)
    assert redis.exists(keys.lease("t1"))

    os.utime(file, (0, 0))
    announce(tmp_path)
    subprocess.run([sys.executable, "-c", "import sys; " + ANNOUNCE, str(tmp_path)], check=True)
    clear_away_the_dead(redis, tmp_path)
    assert [file.name for file in (tmp_path / "alive").iterdir()] == [OWNER]
