"""Back-pressure: an inbox that nothing empties refuses deliveries, visibly and without losing one."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from integrations.ports.source import Delivery
from jobs.runtime.keys import INBOX
from service.web.intake import Received, accept
from service.web.spool import Spool
from tests.service.conftest import Web, moved, pushed, until


def fill(redis: Redis) -> None:
    with redis.pipeline(transaction=False) as batch:
        for _ in range(20_000):
            batch.xadd(INBOX, {"body": b"x"})
        batch.execute()


def received(name: str) -> Received:
    return Received(Delivery("github", name, f"key-{name}", b"{}", "push", False), 1.0)


def test_full_inbox_requests_a_retry_from_linear_and_spools_for_github(web: Web, redis: Redis) -> None:
    assert web.linear(moved("before")).status == 200
    fill(redis)

    answer = web.linear(moved("during"))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert web.github(pushed("e")).status == 200
    assert redis.xlen(INBOX) == 20_001
    assert "the inbox holds 20,000 deliveries" in web.log.read_text()

    redis.delete(INBOX)
    until(lambda: redis.xlen(INBOX) == 1)  # the spool is drained
    assert web.linear(moved("during")).body == {"accepted": True}


def test_full_inbox_keeps_the_spool(redis: Redis, tmp_path: Path) -> None:
    spool = Spool(tmp_path, "github")
    for n in range(3):
        spool.append(received(str(n)))
    fill(redis)

    with pytest.raises(RedisError, match="INBOXFULL"):
        spool.drain(redis)

    redis.delete(INBOX)
    assert spool.drain(redis) == 3


def test_full_inbox_still_recognizes_a_duplicate(redis: Redis) -> None:
    assert accept(redis, received("a"))
    fill(redis)

    assert not accept(redis, received("a"))
    with pytest.raises(RedisError, match="check that the clock process runs"):
        accept(redis, received("b"))
