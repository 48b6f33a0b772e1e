"""Linear's requests: what a ticket and an idle hour cost, and that a small allowance loses no message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from integrations.events import TicketMoved
from jobs.config.settings import Settings
from jobs.loop.state import Stage
from jobs.runtime import keys
from jobs.sweep import sweep
from jobs.workflow.report import INTERVAL
from tests.jobs.story import BUG, FEATURE
from tests.jobs.traffic import (
    READS,
    Traffic,
    Turned,
    idle_hour,
    list_tickets,
    open_traffic,
    work_at_a_small_allowance,
)

MOST_PER_TICKET, MOST_PER_IDLE_HOUR, SMALL = 20, 60, 100


@pytest.fixture
def traffic(tmp_path: Path, redis: Redis, settings: Settings) -> Iterator[Traffic]:
    with open_traffic(tmp_path, redis, settings) as opened:
        yield opened


@pytest.mark.parametrize("pause", [0.0, INTERVAL + 1], ids=["quick", "slow"])
def test_ticket_from_hand_over_to_review_costs_few_requests(traffic: Traffic, pause: float) -> None:
    loop = traffic.work(BUG, lambda: traffic.pass_time(pause))

    assert loop.stage is Stage.REVIEW
    assert len(traffic.counter.order) <= MOST_PER_TICKET, traffic.counter.counts


def test_first_write_comes_after_one_read(traffic: Traffic) -> None:
    traffic.work(BUG)

    assert [name in READS for name in traffic.counter.order[:2]] == [True, False]


def test_own_writes_are_not_read_again(traffic: Traffic) -> None:
    traffic.work(BUG)

    assert {name for name in traffic.counter.order if name in READS} == {"TicketMove", "TeamColumns"}


def test_second_ticket_is_read_once(traffic: Traffic) -> None:
    traffic.work(BUG)
    before = len(traffic.counter.order)
    traffic.work(FEATURE)

    assert [name for name in traffic.counter.order[before:] if name in READS] == ["TicketMove"]


@pytest.mark.parametrize("finished", [10, 300])
def test_idle_hour_costs_few_requests_however_many_tickets_are_done(
    tmp_path: Path, redis: Redis, settings: Settings, finished: int
) -> None:
    with open_traffic(tmp_path, redis, settings, issues=list_tickets("Done", finished)) as traffic:
        traffic.work(BUG)
        counts = idle_hour(traffic)

    assert sum(counts.values()) <= MOST_PER_IDLE_HOUR, counts


@pytest.mark.long
def test_small_allowance_loses_no_message(tmp_path: Path, redis: Redis, settings: Settings) -> None:
    clock, issues = Turned(), list_tickets("Backlog", 8)
    with open_traffic(tmp_path, redis, settings, issues=issues, requests_per_hour=SMALL, clock=clock) as traffic:
        lost = work_at_a_small_allowance(traffic, clock, [f"ENG-{4 + n}" for n in range(8)], hours=2)

    assert (lost, traffic.counter.refused) == ([], 0)


def test_small_allowance_makes_the_sweep_wait_before_messages(tmp_path: Path, redis: Redis, settings: Settings) -> None:
    with open_traffic(tmp_path, redis, settings, requests_per_hour=SMALL) as traffic:
        traffic.board.world.tracker.viewer()
        for _ in range(SMALL):
            sweep()
        left = SMALL - len(traffic.counter.order)
        traffic.work(BUG)

    assert left >= SMALL // 3
    assert traffic.counter.refused == 0
    assert "CreateComment" in traffic.counter.counts


def test_card_that_a_person_moves_with_looplines_own_account_is_read(traffic: Traffic) -> None:
    loop = traffic.work(BUG)
    world = traffic.board.world
    world.store.deliver(
        TicketMoved(event_id="e1", ticket_id=loop.ticket.id, column="Backlog", by=world.tracker.viewer())
    )
    before = traffic.counter.counts["TicketMove"]
    traffic.board.drive(BUG)

    assert traffic.counter.counts["TicketMove"] == before + 1


def test_progress_that_waits_for_the_allowance_does_not_delay_a_move(
    tmp_path: Path, redis: Redis, settings: Settings
) -> None:
    with open_traffic(tmp_path, redis, settings, requests_per_hour=SMALL) as traffic:
        traffic.hand_over(BUG)
        traffic.settle()
        loop = traffic.load(BUG)
        assert loop
        while len(traffic.counter.order) < SMALL - 20:
            list(traffic.board.world.tracker.fetch_many([loop.ticket.id]))
        traffic.finish(loop, outcome="environment", summary="pip: no such package")

        assert traffic.board.ana.board()[BUG]["column"] == "Needs Human"
        assert redis.exists(keys.report_wait(loop.ticket.id))
        assert not redis.exists(keys.retry_at(loop.ticket.id))
