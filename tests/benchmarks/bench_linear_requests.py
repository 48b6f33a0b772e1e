"""Requests to Linear, counted in front of the stand-in: per ticket, per idle hour, and at a small allowance.

Run by hand: `python -m tests.benchmarks.bench_linear_requests`. Real worker jobs, Redis and webhooks in one process;
agents report their results at once, because their turns send nothing to Linear. An hour is that many sweeps. Prints one
line of JSON for each scenario, with the goal; ends with 1 when one is missed.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.connection import connect, resolve_socket
from jobs.workflow.report import INTERVAL
from service.supervisor import embedded_redis
from tests.jobs.story import BUG
from tests.jobs.traffic import READS, Turned, idle_hour, list_tickets, open_traffic, work_at_a_small_allowance

PER_TICKET, READS_BEFORE_WRITE, PER_IDLE_HOUR, SMALL = 20, 1, 60, 100


@contextmanager
def fresh(server: Settings, name: str) -> Iterator[tuple[Path, Redis, Settings]]:
    """A folder, an empty Redis and settings of one scenario."""
    folder = server.home / name
    settings = Settings(home=folder / "home", redis_url=f"unix://{resolve_socket(server.redis_socket)}")
    with connect(settings) as redis:
        redis.flushall()
        yield folder, redis, settings


def count_ticket(server: Settings, pause: float) -> dict[str, object]:
    """One ticket from hand-over to review; `pause` seconds between two results of agents."""
    with fresh(server, f"ticket-{pause:.0f}") as place, open_traffic(*place) as traffic:
        traffic.work(BUG, lambda: traffic.pass_time(pause))
        order = traffic.counter.order
        before = next(n for n, name in enumerate(order) if name not in READS)
        kept = len(order) <= PER_TICKET and before <= READS_BEFORE_WRITE
        return {
            "scenario": "ticket", "pause_seconds": pause, "requests": len(order), "goal": PER_TICKET,
            "reads_before_first_write": before, "by_operation": traffic.counter.counts, "kept": kept,
        }  # fmt: skip


def count_idle_hour(server: Settings, finished: int) -> dict[str, object]:
    """An hour with one ticket in review and so many finished ones."""
    with (
        fresh(server, f"idle-{finished}") as place,
        open_traffic(*place, issues=list_tickets("Done", finished)) as traffic,
    ):
        traffic.work(BUG)
        counts = idle_hour(traffic)
    total = sum(counts.values())
    return {
        "scenario": "idle hour", "finished_tickets": finished, "requests": total, "goal": PER_IDLE_HOUR,
        "by_operation": counts, "kept": total <= PER_IDLE_HOUR,
    }  # fmt: skip


def count_lost(server: Settings) -> dict[str, object]:
    """Eight tickets at once, each with two comments, at a hundred requests per hour."""
    clock, issues = Turned(), list_tickets("Backlog", 8)
    with (
        fresh(server, "small") as place,
        open_traffic(*place, issues=issues, requests_per_hour=SMALL, clock=clock) as traffic,
    ):
        lost = work_at_a_small_allowance(traffic, clock, [f"ENG-{4 + n}" for n in range(8)], hours=4)
    return {
        "scenario": "small allowance", "requests_per_hour": SMALL, "lost_messages": len(lost), "goal": 0,
        "requests": len(traffic.counter.order), "minutes": round(clock.offset / 60),
        "refused": traffic.counter.refused, "kept": not lost,
    }  # fmt: skip


def main() -> int:
    """Run all scenarios on a private Redis; returns the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="bench-linear-") as folder:
        server = Settings(home=Path(folder) / "server")
        server.home.mkdir()
        with (server.home / "redis.log").open("wb") as log:
            process = embedded_redis.start(server.redis_socket, log)
        with process, connect(server) as redis:
            try:
                embedded_redis.wait_for(redis, process)
                kept = True
                for line in _measure(server):
                    print(json.dumps(line), flush=True)  # noqa: T201
                    kept = kept and bool(line["kept"])
            finally:
                process.terminate()
    return 0 if kept else 1


def _measure(server: Settings) -> Iterator[dict[str, object]]:
    for pause in (0.0, INTERVAL + 1):
        yield count_ticket(server, pause)
    for finished in (10, 10_000):
        yield count_idle_hour(server, finished)
    yield count_lost(server)


if __name__ == "__main__":
    sys.exit(main())
