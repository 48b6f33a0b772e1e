"""Lua scripts are idempotent: the client retries a command when the connection broke before the reply."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from integrations.events import EVENT, SteeringTaken
from integrations.values import Identifier, Ticket, TicketId
from jobs.loop.comments import Guidance
from jobs.runtime import keys
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import run_script
from jobs.store.runs import RunConversation, Runs
from tests.loops import spec_with

SPEC = spec_with(Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title="T"), "r1")
GUIDANCE = Guidance(author="Ana", text="use decimals", comment_id="k")


@pytest.fixture
def lease(redis: Redis) -> Iterator[Lease]:
    with hold(redis, "run:r1") as held:
        assert held
        yield held


def take_steering(redis: Redis, lease: Lease, mark: str) -> list[bytes]:
    names = [keys.lease(lease.name), keys.transcript("r1"), keys.steering("r1")]
    taken: list[bytes] = run_script(redis, "take_steering", names, [lease.token, mark])
    return taken


def test_lease_script_is_idempotent(redis: Redis) -> None:
    names = [keys.lease("t1"), keys.fence("t1"), keys.EPOCH]
    first, again = (run_script(redis, "take_lease", names, ["me", 10_000, "mark"]) for _ in range(2))
    assert first == again == [b"me:mark:1", b"", b"0"]
    assert run_script(redis, "take_lease", names, ["me", 10_000, "another try"]) is None


def test_append_script_is_idempotent(redis: Redis, lease: Lease) -> None:
    names = [keys.lease(lease.name), keys.transcript("r1")]
    first, again = (run_script(redis, "append", names, [lease.token, "note", "{}", "mark"]) for _ in range(2))
    assert first == again
    assert redis.xlen(keys.transcript("r1")) == 1
    run_script(redis, "append", names, [lease.token, "note", "{}", "the next one"])
    assert redis.xlen(keys.transcript("r1")) == 2


def test_take_steering_script_is_idempotent(redis: Redis, lease: Lease) -> None:
    for number in range(3):
        Runs(redis).steer("r1", GUIDANCE, f"command-{number}")
    first, again = (take_steering(redis, lease, "mark") for _ in range(2))
    assert len(first) == 3
    assert first == again
    assert take_steering(redis, lease, "another slice") == []
    assert redis.xlen(keys.transcript("r1")) == 3


def test_steer_script_is_idempotent_per_command(redis: Redis) -> None:
    for command in ("command-1", "command-1", "command-2"):
        Runs(redis).steer("r1", GUIDANCE, command)
    assert redis.llen(keys.steering("r1")) == 2


def test_guidance_taken_by_a_crashed_slice_is_reported_once_by_the_next(redis: Redis, lease: Lease) -> None:
    Runs(redis).steer("r1", GUIDANCE, "command-1")
    take_steering(redis, lease, "a slice that dies here")
    for _ in range(2):
        RunConversation(Runs(redis), SPEC, lease).report_steering()
    (raw,) = redis.lrange(keys.mailbox("t1"), 0, -1)
    event = EVENT.decode(raw)
    assert isinstance(event, SteeringTaken)
    assert event.comment_ids == ("k",)
