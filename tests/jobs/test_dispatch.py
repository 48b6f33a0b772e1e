from __future__ import annotations

import hashlib
import json

from redis import Redis

from integrations.base import Delivery
from jobs import keys
from jobs.dead import DeadLetter, DeadLetters, fields_of
from jobs.dispatch import dispatch, prepare
from service.intake import Received, accept

REPOSITORY = {"id": 1, "full_name": "acme/tally", "name": "tally", "owner": {"id": 1, "login": "acme"}}
PUSH = {"ref": "refs/heads/main", "before": "0" * 40, "repository": REPOSITORY, "pusher": {"name": "ana"}}


def take_in(redis: Redis, source: str, delivery_id: str) -> None:
    """Let the door accept a push to the default branch."""
    body = json.dumps(PUSH | {"after": hashlib.sha1(delivery_id.encode()).hexdigest()}).encode()
    content_key = f"sha256:{hashlib.sha256(body).hexdigest()}"
    accept(redis, Received(Delivery(source, delivery_id, content_key, body, "push"), 0.0))


def left_over(redis: Redis) -> tuple[int, list[DeadLetter]]:
    """Deliveries that are not through, and the dead letters."""
    return redis.xpending(keys.INBOX, keys.INBOX_GROUP)["pending"], DeadLetters(redis).all()


def test_what_belongs_to_no_ticket_is_passed_over(redis: Redis) -> None:
    prepare(redis)
    take_in(redis, "github", "d1")

    assert dispatch(redis, "clock", 10) == 1
    assert left_over(redis) == (0, [])


def test_a_delivery_that_cannot_be_taken_is_kept_and_holds_up_no_other(redis: Redis) -> None:
    prepare(redis)
    take_in(redis, "a source that was removed", "d1")
    take_in(redis, "github", "d2")

    assert dispatch(redis, "clock", 10) == 2
    pending, (dead,) = left_over(redis)
    assert pending == 0
    assert dead.cause.startswith("KeyError")
    assert json.loads(fields_of(dead)["body"])["ref"] == "refs/heads/main"
