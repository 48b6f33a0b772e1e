"""Seconds from a red check on the code host to the maker's first model call about it.

Run by hand: `python -m tests.benchmarks.bench_red_check [quiet seconds]`. Starts the demo's stack with a model that
answers at once, hands over a ticket whose pushes fail in the code host's CI, and prints one line of JSON: the quiet
period, and the seconds from the push until the ticket shows the round and until the maker's first call.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from redis import Redis

from integrations.standins.demo.person import Ana
from jobs.runtime import keys
from jobs.runtime.scripts import decode
from tests.crash.stack import FragileStack, free_ports
from tests.crash.story import BUG, says

PUSH = "POST /repos/{owner}/{repo}/pulls"
PATIENCE = 180.0
CI = [
    {"name": "build", "branch": "main"},
    {"name": "build", "conclusions": ["failure"], "log": "E   assert 1 == 2"},
]


def measure(stack: FragileStack, redis: Redis) -> dict[str, float]:
    """Play one ticket to its first fixing round."""
    ana = Ana(stack)
    ana.drag(BUG, "Agent")
    until(lambda: [entry for entry in stack.log("github") if entry["operation"] == PUSH])
    (opened,) = [entry for entry in stack.log("github") if entry["operation"] == PUSH]
    red = datetime.fromisoformat(opened["at"]).timestamp()
    until(lambda: find_round(redis))
    run = find_round(redis)
    until(lambda: redis.xlen(keys.transcript(run)) > 1)
    called = time.time()
    until(lambda: says(ana.board()[BUG], "Checks failed"))
    return {"shown": time.time() - red, "called": called - red}


def find_round(redis: Redis) -> str:
    """The maker's run of the first fixing round, empty before it exists."""
    runs = [decode(run) for run in redis.smembers(keys.RUNS)]
    return next((run for run in runs if "-c1-" in run and run.endswith("-maker")), "")


def until(there: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it within {PATIENCE:.0f} s")
        time.sleep(0.02)


def main(quiet: str = "30") -> None:
    with tempfile.TemporaryDirectory() as home:
        stack = FragileStack(
            Path(home), free_ports(27_000), latency=0.0, extra={"LOOPLINE_CHECKS_QUIET_SECONDS": quiet}
        )
        with stack:
            stack.script_ci(CI)
            with stack.redis() as redis:
                figures = {name: round(seconds, 2) for name, seconds in measure(stack, redis).items()}
                load = os.getloadavg()[0]
                sys.stdout.write(json.dumps({"quiet": float(quiet), "load": load, **figures}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
