from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from integrations.ports.source import Delivery
from jobs.config.settings import Settings
from jobs.inbox.dispatch import create_consumer_group, dispatch
from jobs.runtime import keys, queues
from jobs.store.dead_letters import GIVE_UP_AFTER, DeadLetter, DeadLetters, fields_of
from service.web.intake import Received, accept
from tests.providers import install
from tests.support.checkout import REPOSITORY as CHECKOUT
from tests.support.linear_payloads import payload

REPOSITORY = {"id": 1, "full_name": "acme/tally", "name": "tally", "owner": {"id": 1, "login": "acme"}}
PUSH = {"ref": "refs/heads/main", "before": "0" * 40, "repository": REPOSITORY, "pusher": {"name": "ana"}}


def take_in(redis: Redis, source: str, delivery_id: str) -> None:
    """Accept a push to the default branch."""
    body = json.dumps(PUSH | {"after": hashlib.sha1(delivery_id.encode()).hexdigest()}).encode()
    content_key = f"sha256:{hashlib.sha256(body).hexdigest()}"
    accept(redis, Received(Delivery(source, delivery_id, content_key, body, "push"), 0.0))


def left_over(redis: Redis) -> tuple[int, list[DeadLetter]]:
    """Pending deliveries and dead letters."""
    return redis.xpending(keys.INBOX, keys.INBOX_GROUP)["pending"], DeadLetters(redis).all()


def test_dispatch_skips_events_without_a_ticket(redis: Redis) -> None:
    create_consumer_group(redis)
    take_in(redis, "github", "d1")

    assert dispatch(redis, "clock", 10) == 1
    assert left_over(redis) == (0, [])


def test_dispatch_moves_a_failing_delivery_to_dead_letters(redis: Redis) -> None:
    create_consumer_group(redis)
    take_in(redis, "a source that was removed", "d1")
    take_in(redis, "github", "d2")

    assert dispatch(redis, "clock", 10) == 2
    pending, (dead,) = left_over(redis)
    assert pending == 0
    assert dead.cause.startswith("KeyError")
    assert json.loads(fields_of(dead)["body"])["ref"] == "refs/heads/main"


DEADLY = """
import os
from integrations.ports.provider import ProviderSettings, TrackerProvider, Webhooks
class Deadly:
    def translate(self, delivery):
        os.kill(os.getpid(), 9)
DEADLY = TrackerProvider(name="deadly", settings=ProviderSettings, build=None, webhooks=Webhooks(Deadly(), ""))
"""
DIES = """
import sys
from pathlib import Path
from redis import Redis
from jobs.inbox.dispatch import dispatch
dispatch(Redis.from_url(sys.argv[1]), sys.argv[2], 10)
"""


@pytest.mark.parametrize("place", [0, 2])
def test_dispatch_moves_a_delivery_to_dead_letters_after_five_crashes(
    redis: Redis, settings: Settings, place: int, tmp_path: Path
) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    install(tmp_path, "deadly:DEADLY")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}
    create_consumer_group(redis)
    for n in range(3):
        take_in(redis, "deadly" if n == place else "github", f"d{n}")
    address = settings.redis_url.get_secret_value()

    for n in range(GIVE_UP_AFTER):
        assert left_over(redis)[1] == []
        killed = subprocess.run(
            [sys.executable, "-c", DIES, address, f"clock-{n}"], cwd=CHECKOUT, env=environ, check=False
        )
        assert killed.returncode == -9
    dispatch(redis, "clock", 10)

    pending, (dead,) = left_over(redis)
    assert (pending, redis.xlen(keys.INBOX)) == (0, 0)
    assert (dead.fields["delivery_id"], dead.cause[:13]) == (f"d{place}", "ProcessDied: ")


def test_dispatch_continues_after_an_entry_was_deleted_by_hand(redis: Redis) -> None:
    create_consumer_group(redis)
    for n in range(2):
        take_in(redis, "github", f"d{n}")
    ((_, taken),) = redis.xreadgroup(keys.INBOX_GROUP, "dead", {keys.INBOX: ">"})
    redis.xdel(keys.INBOX, taken[0][0])

    assert dispatch(redis, "clock", 10) == 1
    assert left_over(redis) == (0, [])


def test_dispatch_does_not_count_redis_failures_as_crashes(redis: Redis) -> None:
    create_consumer_group(redis)
    redis.set(keys.branch("acme/tally", "main"), "t1")
    take_in(redis, "github", "d1")
    redis.xreadgroup(keys.INBOX_GROUP, "clock", {keys.INBOX: ">"})
    redis.config_set("maxmemory", 1)
    try:
        for _ in range(GIVE_UP_AFTER + 1):
            with pytest.raises(RedisError):
                dispatch(redis, "clock", 10)
    finally:
        redis.config_set("maxmemory", 0)

    assert dispatch(redis, "clock", 10) == 1
    assert left_over(redis) == (0, [])
    assert redis.llen(keys.mailbox("t1")) == 1


@pytest.mark.parametrize(
    ("source", "event", "body"),
    [
        ("linear", "OAuthApp.revoked", payload("oauthapp_revoked")),
        ("linear", "OAuthAuthorization.revoked", payload("oauthauthorization_revoked")),
        ("linear", "PermissionChange.teamAccessChanged", payload("permissionchange")),
        ("github", "installation", b"{}"),
        ("github", "installation_repositories", b"{}"),
    ],
)
def test_dispatch_checks_the_access_after_a_change_of_permissions(
    redis: Redis, source: str, event: str, body: bytes
) -> None:
    create_consumer_group(redis)
    accept(redis, Received(Delivery(source, f"d-{event}", f"key-{event}", body, event), 0.0))
    assert dispatch(redis, "clock", 10) == 1
    assert left_over(redis) == (0, [])
    [job] = queues.open_queue(redis, queues.EVENTS).jobs
    assert job.func_name == queues.CHECK_ACCESS
