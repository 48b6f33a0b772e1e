"""Overrun of each limit with eight parallel runs, cost of a long outage, and time of reserve and settle.

Run by hand: `python -m tests.benchmarks.bench_budget [rounds]`. Real Redis as the supervisor starts it (every write on
disk before its answer), the model's stand-in over HTTP with 50 ms a reply, eight threads. Prints one line of JSON for
each scope (US dollars; an overrun below zero is none), one for ten minutes of 529, and one with microseconds against a
bare round trip of the same Redis; ends with 1 when a promise is broken.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from jobs.store.runs import Runs
from service.supervisor import embedded_redis
from tests.jobs.books import AMPLE, NOON, at_work, call, spec_of
from tests.jobs.fleet import RUNS, Fleet
from tests.jobs.model_runs import Model, model_at, use_up

CAPS = {"run": 0.022, "ticket": 0.25, "day": 0.25}


def overrun(redis: Redis, home: Path, scope: str) -> dict[str, Any]:
    """Eight threads of runs until each is refused; returns the billed cost and the limit."""
    redis.flushall()
    with model_at(home, latency=0.05) as model:
        cap = CAPS[scope]
        caps = replace(AMPLE, **{f"{scope}_usd": cap})
        with ThreadPoolExecutor(8) as pool:
            most = 3 if scope == "run" else 100
            tickets = [f"t{n}" if scope == "day" else "t" for n in range(8)]
            list(pool.map(lambda n: use_up(redis, model, f"r{n}", tickets[n], caps, most), range(8)))
        billed = max(_billed(redis, model, scope))
        calls = len(model.bills())
        one = max(model.bills())
    return {
        "scope": scope, "cap": cap, "billed": round(billed, 6), "overrun": round(billed - cap, 6),
        "one_call": round(one, 6), "calls": calls, "used": round(billed / cap, 3),
    }  # fmt: skip


def _billed(redis: Redis, model: Model, scope: str) -> list[float]:
    """By the provider's own log; for single runs by the ledger, whose sum the provider's log has to confirm."""
    each = model.bills()
    if scope != "run":
        return [sum(each)]
    runs = Runs(redis)
    booked = [runs.usage(run_id).cost_usd for run_id in runs.list_runs("t")]
    assert abs(sum(booked) - sum(each)) < 1e-4, (sum(booked), sum(each))
    return booked


def outage(redis: Redis, home: Path) -> dict[str, Any]:
    """Ten minutes of 529 for eight runs, by a clock that is turned."""
    redis.flushall()
    with model_at(home) as model:
        fleet = Fleet(redis, model)
        model.misbehave("529")
        ends = fleet.until_done(mended_at=NOON + 600)
        return {
            "outage_seconds": 600, "runs": RUNS, "calls_refused": fleet.refusals(),
            "runs_done": sum(end.kind == "done" for end in ends),
            "runs_failed": sum(end.kind != "done" for end in ends),
            "last_done_after": round(fleet.clock.now - NOON, 1),
        }  # fmt: skip


def price(redis: Redis, rounds: int) -> dict[str, float]:
    """Median microseconds, measured in turns on the same connection."""
    redis.flushall()
    with at_work(redis, spec_of()) as talk:

        def booked() -> None:
            talk.reserve(call(0.0001), call(0.0001))
            talk.settle(call(0.0001), answered=True)

        acts: dict[str, Callable[[], object]] = {
            "bare_read": lambda: redis.get("x"),
            "bare_write": lambda: redis.set("x", 1),
            "reserve_and_settle": booked,
        }
        found: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(rounds):
            for name, act in acts.items():
                began = time.perf_counter()
                act()
                found[name].append((time.perf_counter() - began) * 1e6)
    medians = {f"{name}_us": round(statistics.median(times), 1) for name, times in found.items()}
    ratio = medians["reserve_and_settle_us"] / (2 * medians["bare_write_us"])
    return medians | {"against_two_bare_writes": round(ratio, 2)}


def measure(redis: Redis, folder: Path, rounds: int) -> bool:
    """Print every line; returns whether all limits hold."""
    lines = []
    for scope in CAPS:
        lines.append(overrun(redis, folder / scope, scope))
        print(json.dumps(lines[-1]), flush=True)  # noqa: T201
    away = outage(redis, folder / "outage")
    print(json.dumps(away))  # noqa: T201
    print(json.dumps(price(redis, rounds)))  # noqa: T201
    kept = all(line["overrun"] <= line["one_call"] for line in lines)
    return kept and away["calls_refused"] <= 20 and away["runs_failed"] == 0


def main(rounds: int) -> int:
    """Run all measurements on a private Redis."""
    with tempfile.TemporaryDirectory(prefix="bench-budget-") as folder:
        settings = Settings(home=Path(folder) / "home")
        settings.home.mkdir()
        with (settings.home / "redis.log").open("wb") as log:
            process = embedded_redis.start(settings.redis_socket, log)
        with process, connect(settings) as redis:
            try:
                embedded_redis.wait_for(redis, process)
                return 0 if measure(redis, Path(folder), rounds) else 1
            finally:
                process.terminate()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
