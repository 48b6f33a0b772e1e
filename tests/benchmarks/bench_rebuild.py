"""Seconds from the loss of all Redis data until all loops are restored, in any stage.

Run by hand: `python -m tests.benchmarks.bench_rebuild [runs]`. In each run the demo's three tickets are handed over,
Redis is killed at a random moment and its files are deleted; measured until every loop that was under way is back.
Prints one line of JSON; ends with 1 when one does not come back, or a branch has two pull requests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from integrations.standins.demo.stack import DEMO_TICKETS
from jobs.loop.state import Loop, Stage
from jobs.store.tickets import Store
from tests.benchmarks.bench_takeover import PATIENCE, Bench, figure
from tests.crash.stack import FragileStack, free_ports

LATENCY, STORY_SECONDS = 0.3, 9.0
OVER = {Stage.IDLE, Stage.DONE, Stage.STOPPED}


class Wipe(Bench):
    """One stack; each run has tickets of its own, which are deleted after it."""

    def __init__(self, stack: FragileStack, redis: Redis) -> None:
        super().__init__(stack, redis)
        self.phases: Counter[str] = Counter()

    def loops(self) -> dict[str, Loop]:
        """Active loops by ticket; none while Redis is unavailable."""
        try:
            return {loop.ticket.id: loop for loop in Store(self.redis).loops() if loop.stage not in OVER}
        except RedisError:
            return {}

    def wiped(self) -> float:
        """Seconds from the kill until the last loop is restored."""
        tickets = []
        for one in json.loads(DEMO_TICKETS.read_text()):
            tickets.append(self.board.hand_over(one["title"], one["description"]))
            time.sleep(self.random.uniform(0, 1))
        time.sleep(self.random.uniform(0, STORY_SECONDS))
        began, before = time.monotonic(), self.loops()
        os.kill(self.pid("redis"), signal.SIGKILL)
        shutil.rmtree(self.stack.service_home / "redis" / "appendonlydir")
        self.phases.update(loop.stage.value for loop in before.values())
        self.until(lambda: before.keys() <= self.loops().keys())
        took = time.monotonic() - began
        for ticket in tickets:
            self.board.delete(ticket)
        self.until(lambda: not self.loops())
        return took


def main(runs: int = 50) -> int:
    """Measure; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="loopline-rebuild-") as folder:
        stack = FragileStack(Path(folder), free_ports(28_000), LATENCY, extra={"LOOPLINE_SWEEP_SECONDS": "3"})
        with stack, stack.redis() as redis:
            bench = Wipe(stack, redis)
            figures = figure([bench.wiped() for _ in range(runs)], PATIENCE)
            opened = Counter(e["input"].get("head") for e in stack.log("github") if e["operation"].endswith("/pulls"))
    doubled = sum(n > 1 for n in opened.values())
    load = os.getloadavg()[0]
    line = {"runs": runs, "load": load, "rebuilt": figures, "phases": bench.phases, "doubled_pull_requests": doubled}
    sys.stdout.write(json.dumps(line) + "\n")
    return 1 if doubled else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
