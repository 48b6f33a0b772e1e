"""How many requests a ticket, an idle hour and a small allowance cost."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from jobs.config.settings import Settings
from tests.jobs.story import BUG
from tests.jobs.traffic import open_traffic


def test_ticket_costs(tmp_path: Path, redis: Redis, settings: Settings) -> None:
    with open_traffic(tmp_path, redis, settings) as traffic:
        traffic.work(BUG)
    print(len(traffic.counter.order), traffic.counter.order, traffic.counter.counts)
