"""Deadlines of loops: kept with the state, delivered by the clock once, gone with the loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from integrations.events import EVENT, TimePassed
from integrations.values import Ticket, TicketId
from jobs.clock import deliver_deadlines
from jobs.loop.ci_state import CiState
from jobs.loop.review_state import ReviewState
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.runtime.lease import hold
from jobs.store.tickets import Store
from tests.loops import loop_with

T1 = TicketId("t1")
TICKET = Ticket(id=T1, identifier="ENG-1", title="t", team="ENG", column="In Review")
LOOP = replace(loop_with(TICKET, stage=Stage.REVIEW), ci=CiState(due_at=50.0), review=ReviewState(due_at=40.0))


def commit(redis: Redis, loop: Loop, event_id: str) -> None:
    store = Store(redis)
    store.deliver(TimePassed(event_id=event_id, ticket_id=T1))
    with hold(redis, T1) as lease:
        assert lease
        raw = store.next_event(T1)
        assert raw
        store.commit(lease, T1, raw, loop, ())


def test_deadline_is_delivered_once_when_it_has_passed(redis: Redis) -> None:
    commit(redis, LOOP, "e1")
    deliver_deadlines(redis, 39.9)
    assert redis.llen(keys.mailbox(T1)) == 0
    for now in (40.0, 41.0):
        deliver_deadlines(redis, now)
    (raw,) = redis.lrange(keys.mailbox(T1), 0, -1)
    event = EVENT.decode(raw)
    assert isinstance(event, TimePassed) and (event.due, event.at) == (40.0, 40.0)


def test_deadline_is_replaced_by_the_next_state(redis: Redis) -> None:
    commit(redis, LOOP, "e1")
    commit(redis, replace(LOOP, review=ReviewState()), "e2")
    assert redis.zscore(keys.DUE, T1) == 50.0
    commit(redis, replace(LOOP, stage=Stage.DONE), "e3")
    assert redis.zcard(keys.DUE) == 0


@pytest.mark.parametrize("due", [0.0, 40.0])
def test_deadline_of_a_rebuilt_loop_is_kept_and_forgotten_with_it(redis: Redis, due: float) -> None:
    loop = replace(LOOP, ci=CiState(), review=ReviewState(due_at=due))
    assert Store(redis).restore(loop, "board", (), ())
    assert redis.zscore(keys.DUE, T1) == (due or None)
    with hold(redis, T1) as lease:
        assert lease
        Store(redis).forget(lease, T1)
    assert redis.zcard(keys.DUE) == 0
