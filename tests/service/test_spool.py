from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from integrations.ports.source import Delivery
from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from jobs.runtime.keys import INBOX
from service.web.intake import Received, accept
from service.web.spool import Spool
from tests.service.conftest import until
from tests.support.checkout import REPOSITORY


def received(number: int, delivery_id: str = "") -> Received:
    body = b"\x00\xff {}\n%d" % number
    return Received(
        Delivery("github", delivery_id or f"id-{number}", f"content-{number}", body, "push"), 1000.5 + number
    )


def bodies(redis: Redis) -> list[bytes]:
    return [fields[b"body"] for _, fields in redis.xrange(INBOX)]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", "github")


def test_spool_delivers_byte_for_byte_and_in_order(spool: Spool, redis: Redis) -> None:
    for number in range(20):
        spool.append(received(number))
    assert spool.drain(redis) == 20
    assert bodies(redis) == [received(number).delivery.body for number in range(20)]
    assert redis.xrange(INBOX)[3][1][b"received_at"] == b"1003.500"


def test_spool_drained_is_empty_and_small(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    big = Delivery("github", "big", "big", b"x" * 1_000_000, "push", stale=True)
    spool.append(Received(big, 7.0))
    assert (spool.drain(redis), spool.drain(redis)) == (1, 0)
    assert redis.xrange(INBOX)[0][1][b"stale"] == b"1"
    assert sum(file.stat().st_size for file in (tmp_path / "spool").iterdir()) < 50_000


def test_spool_skips_content_accepted_by_another_way(spool: Spool, redis: Redis) -> None:
    accept(redis, received(1, "redelivered"))
    spool.append(received(1))
    spool.append(received(1, "again"))
    spool.append(received(2))
    assert spool.drain(redis) == 1
    assert len(bodies(redis)) == 2


DRAIN = """
import sys
from pathlib import Path
from redis import Redis
from service.web.spool import Spool
Spool(Path(sys.argv[1]), "github").drain(Redis(unix_socket_path=sys.argv[2]))
"""
APPEND = """
import sys
from pathlib import Path
from service.web.spool import Spool
from tests.service.test_spool import received
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    Spool(Path(sys.argv[1]), "github").append(received(number))
"""


def start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=REPOSITORY)


def socket_of(redis: Redis) -> str:
    return str(redis.get_connection_kwargs()["path"])


def test_spool_killed_between_accept_and_delete_delivers_once(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    spool.append(received(1))
    spool.append(received(2))
    with closing(sqlite3.connect(tmp_path / "spool/github.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the drainer can read, and waits before it deletes
        with start(DRAIN, tmp_path / "spool", socket_of(redis)) as drainer:
            until(lambda: len(bodies(redis)) == 2)
            drainer.kill()
    spool.append(received(3))
    assert spool.drain(redis) == 1
    assert bodies(redis) == [received(number).delivery.body for number in (1, 2, 3)]


def test_spool_of_several_writers_and_drainers_delivers_each_once_and_in_order(
    spool: Spool, redis: Redis, tmp_path: Path
) -> None:
    writers = [start(APPEND, tmp_path / "spool", first, first + 15) for first in (0, 100)]
    with ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(spool.append, received(number)) for number in range(200, 215)]
        while any(writer.poll() is None for writer in writers):
            list(pool.map(lambda _: spool.drain(redis), range(2)))
    assert [thread.exception() for thread in threads] + [writer.returncode for writer in writers] == [None] * 15 + [
        0
    ] * 2
    spool.drain(redis)
    numbers = [int(body.split()[-1]) for body in bodies(redis)]
    assert sorted(numbers) == [*range(15), *range(100, 115), *range(200, 215)]
    for first in (0, 100):
        assert [n for n in numbers if first <= n < first + 15] == list(range(first, first + 15))


def test_spool_on_a_full_disk_raises_and_keeps_earlier_deliveries(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    spool.append(received(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "spool/github.sqlite3").stat().st_size, before[1]))
    try:
        with pytest.raises(OSError, match=r"github\.sqlite3"):
            spool.append(Received(Delivery("github", "big", "big", b"x" * 100_000), 1.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    spool.append(received(2))
    assert spool.drain(redis) == 2


def test_spool_that_is_not_a_database_raises_an_os_error(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    spool.append(received(1))
    (tmp_path / "spool/github.sqlite3").write_bytes(b"no database at all " * 100)
    for use in (lambda: spool.append(received(2)), lambda: spool.drain(redis)):
        with pytest.raises(OSError, match="not a database"):
            use()


def test_spool_stays_while_redis_is_unavailable(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    spool.append(received(1))
    with connect(Settings(home=tmp_path), retries=0) as unavailable, pytest.raises(RedisError):
        spool.drain(unavailable)
    assert spool.drain(redis) == 1


def test_spool_is_readable_by_its_owner_only(spool: Spool, tmp_path: Path) -> None:
    spool.append(received(1))
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "spool/github.sqlite3").stat().st_mode & 0o777 == 0o600
