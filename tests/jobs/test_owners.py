from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from redis import Redis

from jobs import keys
from jobs.lease import OWNER, hold
from jobs.owners import announce, drop_leases_of_the_dead

HOLDER = """
import sys, time
from pathlib import Path
from redis import Redis
from jobs.lease import hold
from jobs.owners import announce
announce(Path(sys.argv[1]))
with hold(Redis.from_url(sys.argv[2]), "t1") as lease:
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_dead_process_holds_nothing_and_a_living_one_keeps_its_own(
    redis: Redis, redis_server: str, tmp_path: Path
) -> None:
    announce(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(tmp_path), redis_server]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder, hold(redis, "t2") as mine:
        assert holder.stdout and holder.stdout.readline() == b"holding\n"
        drop_leases_of_the_dead(redis, tmp_path)
        assert redis.exists(keys.lease("t1"))

        holder.kill()
        holder.wait()
        drop_leases_of_the_dead(redis, tmp_path)
        assert not redis.exists(keys.lease("t1"))
        assert mine and redis.get(keys.lease("t2")) == mine.token.encode()
    assert [file.name for file in (tmp_path / "alive").iterdir()] == [OWNER]


def test_a_process_of_another_folder_is_not_judged(redis: Redis, tmp_path: Path) -> None:
    with hold(redis, "t1") as lease:
        drop_leases_of_the_dead(redis, tmp_path)
        assert lease and redis.get(keys.lease("t1")) == lease.token.encode()
