"""The limit of agents that work on one repository at the same time, and the ticket that reports notes on its policy."""

from __future__ import annotations

from redis import Redis

from integrations.values import RunId, TicketId
from jobs.runtime import keys
from jobs.runtime.lease import hold
from jobs.store.runs import Runs
from jobs.store.tickets import Store

ONE, TWO, THREE = RunId("one"), RunId("two"), RunId("three")


def test_places_of_a_repository_are_limited_while_leases_exist(redis: Redis) -> None:
    runs = Runs(redis)
    with hold(redis, f"run:{ONE}") as first, hold(redis, f"run:{TWO}"), hold(redis, f"run:{THREE}"):
        assert first
        assert runs.take_place("acme/shop", ONE, 2) and runs.take_place("acme/shop", TWO, 2)
        assert not runs.take_place("acme/shop", THREE, 2)
        assert runs.take_place("acme/shop", ONE, 2) and runs.take_place("acme/other", THREE, 2)
        first.release()
        assert runs.take_place("Acme/Shop", THREE, 2)
    assert redis.scard(keys.places("acme/shop")) == 2


def test_notes_are_reported_by_the_first_ticket_and_again_when_they_differ(redis: Redis) -> None:
    store, first, second = Store(redis), TicketId("t1"), TicketId("t2")
    assert store.may_report_notes(first, "acme/shop", ["a"]) and store.may_report_notes(first, "acme/shop", ["a"])
    assert not store.may_report_notes(second, "acme/shop", ["a"])
    assert store.may_report_notes(second, "acme/shop", ["a", "b"]) and store.may_report_notes(second, "acme/web", ["a"])
    assert not store.may_report_notes(second, "acme/x", [])
