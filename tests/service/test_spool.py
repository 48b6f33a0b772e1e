from __future__ import annotations

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


def test_what_was_spooled_arrives_byte_for_byte_and_in_order(spool: Spool, redis: Redis) -> None:
    for number in range(20):
        spool.append(received(number))
    assert spool.drain(redis) == 20
    assert bodies(redis) == [received(number).delivery.body for number in range(20)]
    assert redis.xrange(INBOX)[3][1][b"received_at"] == b"1003.500"


def test_a_drained_spool_is_empty(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    spool.append(received(1))
    assert (spool.drain(redis), spool.drain(redis)) == (1, 0)
    assert not list((tmp_path / "spool").glob("*.jsonl"))


def test_content_that_came_in_by_another_way_is_not_taken_twice(spool: Spool, redis: Redis) -> None:
    accept(redis, received(1, "redelivered"))
    spool.append(received(1))
    spool.append(received(1, "again"))
    spool.append(received(2))
    assert spool.drain(redis) == 1
    assert len(bodies(redis)) == 2


def test_a_crash_while_draining_takes_nothing_twice_and_loses_nothing(
    spool: Spool, redis: Redis, tmp_path: Path
) -> None:
    spool.append(received(1))
    spool.append(received(2))
    accept(redis, received(1))
    folder = tmp_path / "spool"
    (folder / "github.jsonl").rename(folder / "github.draining.jsonl")
    spool.append(received(3))
    assert spool.drain(redis) == 2
    assert bodies(redis) == [received(number).delivery.body for number in (1, 2, 3)]


def test_a_torn_line_does_not_spoil_its_neighbours(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    spool.append(received(1))
    with (tmp_path / "spool/github.jsonl").open("ab") as file:
        file.write(b'\n{"at": 1, "deliv')
    spool.append(received(2))
    assert spool.drain(redis) == 2


def test_while_redis_is_away_the_spool_stays(spool: Spool, redis: Redis, tmp_path: Path) -> None:
    spool.append(received(1))
    with connect(Settings(home=tmp_path), retries=0) as nobody, pytest.raises(RedisError):
        spool.drain(nobody)
    assert spool.drain(redis) == 1


def test_only_this_user_can_read_it(spool: Spool, tmp_path: Path) -> None:
    spool.append(received(1))
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "spool/github.jsonl").stat().st_mode & 0o777 == 0o600
