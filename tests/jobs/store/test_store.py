"""The scripts that keep state, mailbox and outbox together, on a real Redis."""

from __future__ import annotations

import pytest
from redis import Redis

from integrations.events import EVENT, TicketMoved, TicketRemoved
from integrations.values import Ticket
from jobs.loop.commands import MoveTicket, RunSpec, StopRun
from jobs.loop.comments import Guidance
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import LeaseLost
from jobs.store.runs import RunConversation, Runs
from jobs.store.tickets import Store
from tests.loops import spec_with

TICKET = Ticket(id="t1", identifier="ENG-1", title="T")
LOOP = Loop(ticket=TICKET, generation=1, stage=Stage.MAKING)


def event(name: str) -> TicketMoved:
    return TicketMoved(event_id=name, ticket_id="t1", column="Agent")


@pytest.fixture
def store(redis: Redis) -> Store:
    return Store(redis)


def taken_over(redis: Redis, lease: Lease) -> None:
    """Somebody else holds the lease, as after a pause longer than its life."""
    redis.set(keys.lease(lease.name), "another:9")


def test_event_enters_the_mailbox_once_ever(store: Store) -> None:
    assert [store.deliver(event("a")), store.deliver(event("a")), store.deliver(event("b"))] == [True, False, True]
    assert store.redis.llen(keys.mailbox("t1")) == 2


def test_commit_changes_state_outbox_and_mailbox_together(store: Store) -> None:
    store.deliver(event("a"))
    with hold(store.redis, "t1") as lease:
        assert lease
        raw = store.next_event("t1")
        assert raw
        store.commit(lease, "t1", raw, LOOP, (MoveTicket(column="working"), StopRun(run_id="r")))

    inner, outer = store.next_command("t1", "inner"), store.next_command("t1", "outer")
    assert store.load("t1") == LOOP
    assert store.next_event("t1") is None
    assert inner and outer
    assert (inner.command, inner.id) == (StopRun(run_id="r"), "a/1")
    assert (outer.command, outer.id) == (MoveTicket(column="working"), "a/0")


def test_commit_is_fenced_by_the_lease(store: Store) -> None:
    store.deliver(event("a"))
    raw = store.next_event("t1")
    assert raw
    with hold(store.redis, "t1") as lease:
        assert lease
        taken_over(store.redis, lease)
        with pytest.raises(LeaseLost):
            store.commit(lease, "t1", raw, LOOP, ())

    assert store.load("t1") is None
    assert store.next_event("t1") == raw


def test_event_that_is_gone_cannot_be_committed_again(store: Store) -> None:
    store.deliver(event("a"))
    raw = store.next_event("t1")
    assert raw
    with hold(store.redis, "t1") as lease:
        assert lease
        store.commit(lease, "t1", raw, LOOP, ())
        with pytest.raises(LeaseLost):
            store.commit(lease, "t1", raw, LOOP, (MoveTicket(column="done"),))

    assert store.next_command("t1", "outer") is None


def test_events_of_a_command_enter_the_mailbox_once(store: Store) -> None:
    store.deliver(event("a"))
    with hold(store.redis, "t1") as lease:
        assert lease
        store.commit(lease, "t1", store.next_event("t1") or b"", LOOP, (MoveTicket(column="working"),) * 2)
        for _ in range(2):
            posted = store.next_command("t1", "outer")
            assert posted
            store.complete_command(lease, "t1", posted, (TicketRemoved(event_id="x", ticket_id="t1"),))

    assert store.redis.llen(keys.mailbox("t1")) == 1
    assert EVENT.decode(store.next_event("t1") or b"").event_id == "x"


def test_ticket_with_work_is_not_released(store: Store) -> None:
    store.deliver(event("a"))
    with hold(store.redis, "t1") as lease:
        assert lease
        assert not store.release(lease, "t1")
        store.commit(lease, "t1", store.next_event("t1") or b"", None, ())
        assert store.release(lease, "t1")

    assert not store.redis.smembers(keys.READY)
    assert not store.redis.exists(keys.lease("t1"))


def test_lease_has_one_holder_and_a_higher_epoch_each_time(redis: Redis) -> None:
    with hold(redis, "t1") as first, hold(redis, "t1") as second:
        assert first
        assert second is None
        epoch = int(first.token.rsplit(":", 1)[1])
    with hold(redis, "t1") as third:
        assert third
        assert int(third.token.rsplit(":", 1)[1]) == epoch + 1


def test_lease_holder_that_was_frozen_is_rejected_before_it_acts(redis: Redis) -> None:
    with hold(redis, "t1") as lease:
        assert lease
        taken_over(redis, lease)
        with pytest.raises(LeaseLost):
            lease.check()

    assert redis.get(keys.lease("t1")) == b"another:9"


@pytest.fixture
def spec() -> RunSpec:
    return spec_with(TICKET, "r1", repository="a/b", base_sha="b", start_sha="b")


def test_guidance_enters_the_transcript_once_and_is_reported_to_the_ticket(redis: Redis, spec: RunSpec) -> None:
    runs = Runs(redis)
    runs.start(spec)
    for _ in range(2):
        runs.steer("r1", Guidance(author="Ana", text="use decimals", comment_id="k"), "command-1")
    with hold(redis, "run:r1") as lease:
        assert lease
        conversation = RunConversation(runs, spec, lease)
        taken = [conversation.take_steering(), conversation.take_steering()]

        assert [len(entries) for entries in taken] == [1, 0]
        assert [e.kind for e in conversation.entries()] == ["steering"]
    assert b"SteeringTaken" in (Store(redis).next_event("t1") or b"")


def test_run_that_lost_its_lease_writes_nothing(redis: Redis, spec: RunSpec) -> None:
    from integrations.ports.agent_runner import Entry

    runs = Runs(redis)
    with hold(redis, "run:r1") as lease:
        assert lease
        taken_over(redis, lease)
        with pytest.raises(LeaseLost):
            RunConversation(runs, spec, lease).append(Entry("note", {"text": "x"}))

    assert runs.transcript("r1") == []
