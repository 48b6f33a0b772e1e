"""Seconds from a crash to the takeover, from a stop to its effect, and from SIGTERM to an agent's checkpoint.

Run by hand: `python -m tests.benchmarks.bench_takeover [runs]`. Starts the demo's stack with a model that takes 0.8 s a
reply, prints one line of JSON with p50 and p99 in seconds, and ends with 1 when a promise is broken.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis

from integrations.standins.demo.stack import DEMO_TICKETS
from jobs.runtime import keys
from jobs.runtime.scripts import decode
from tests.crash.soak import Board
from tests.crash.stack import FragileStack, free_ports, processes_below

PROMISES = {"agent_killed": 15.0, "worker_killed": 15.0, "stopped": 5.0, "dragged": 5.0, "checkpointed": 20.0}
LATENCY, PATIENCE = 0.8, 60.0


class Bench:
    """One stack and the tickets that run on it, one at a time."""

    def __init__(self, stack: FragileStack, redis: Redis) -> None:
        self.stack, self.redis, self.board = stack, redis, Board(stack)
        self._bug = json.loads(DEMO_TICKETS.read_text())[0]
        self.random = random.Random(0)

    def working(self) -> tuple[str, str]:
        """A new ticket whose maker has been at work for a moment: the ticket's id and the run's."""
        before = self.redis.smembers(keys.RUNS)
        ticket = self.board.hand_over(self._bug["title"], self._bug["description"])
        self.until(lambda: self.redis.smembers(keys.RUNS) - before)
        (run,) = self.redis.smembers(keys.RUNS) - before
        self.until(lambda: self.redis.xlen(keys.transcript(decode(run))) > 1)
        time.sleep(self.random.uniform(0, 2 * LATENCY))
        return ticket, decode(run)

    def until(self, there: Callable[[], object]) -> float:
        """Seconds until the condition is true."""
        began = time.monotonic()
        while not there():
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError(f"nothing came of it within {PATIENCE:.0f} s")
            time.sleep(0.01)
        return time.monotonic() - began

    def pid(self, name: str) -> int:
        """The process's pid, once it has one."""
        state = self.stack.service_home / "up.json"
        self.until(lambda: json.loads(state.read_text())["processes"].get(name))
        return int(json.loads(state.read_text())["processes"][name])

    def end(self, ticket: str) -> None:
        """Move the ticket away from the agents and wait until nothing runs."""
        self.board.say(ticket, "/stop")
        self.until(lambda: not self.redis.smembers(keys.RUNS))

    def agent_killed(self) -> float:
        """From kill -9 of the agent process to the next lease on the run."""
        ticket, run = self.working()
        epoch = self.redis.get(keys.fence(f"run:{run}"))
        os.kill(self.pid("agent-1"), signal.SIGKILL)
        took = self.until(lambda: self.redis.get(keys.fence(f"run:{run}")) != epoch)
        self.end(ticket)
        return took

    def worker_killed(self) -> float:
        """From kill -9 of the worker, with a comment that it has to act on, to the next lease on the ticket."""
        ticket, _ = self.working()
        os.kill(self.pid("worker"), signal.SIGKILL)
        epoch, began = self.redis.get(keys.fence(ticket)), time.monotonic()
        self.board.say(ticket, "/stop")
        self.until(lambda: self.redis.get(keys.fence(ticket)) != epoch)
        took = time.monotonic() - began
        self.until(lambda: not self.redis.smembers(keys.RUNS))
        return took

    def stopped(self) -> float:
        """From the comment to no process of the run."""
        ticket, run = self.working()
        return self._gone(run, lambda: self.board.say(ticket, "/stop"))

    def dragged(self) -> float:
        """From the card's move to the backlog to no process of the run."""
        ticket, run = self.working()
        return self._gone(run, lambda: self.board.move(ticket, "Backlog"))

    def _gone(self, run: str, act: Callable[[], None]) -> float:
        folder = next((self.stack.service_home / "runs").glob(f"*/{run}"))
        began = time.monotonic()
        act()
        self.until(lambda: not self.redis.sismember(keys.RUNS, run) and not processes_below(folder))
        return time.monotonic() - began

    def checkpointed(self) -> float:
        """From SIGTERM to the agent process's end, in the middle of a run."""
        ticket, _ = self.working()
        pid = self.pid("agent-1")
        os.kill(pid, signal.SIGTERM)
        took = self.until(lambda: not Path(f"/proc/{pid}").exists())
        self.end(ticket)
        return took


def figure(seconds: list[float], promised: float) -> dict[str, float]:
    """The median and the 99th percentile, which of up to a hundred is the slowest."""
    p99 = sorted(seconds)[math.ceil(len(seconds) * 0.99) - 1]
    return {"p50": round(statistics.median(seconds), 2), "p99": round(p99, 2), "promised": promised}


def main(runs: int = 50) -> int:
    """Measure; returns the exit code."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="loopline-takeover-") as folder:
        stack = FragileStack(Path(folder), free_ports(27_000), LATENCY, extra={"LOOPLINE_SWEEP_SECONDS": "5"})
        with stack, stack.redis() as redis:
            bench = Bench(stack, redis)
            for name, worst in PROMISES.items():
                figures[name] = figure([getattr(bench, name)() for _ in range(runs)], worst)
                sys.stderr.write(f"{name}: {figures[name]}\n")  # the rest takes a while
    sys.stdout.write(json.dumps({"runs": runs, "load": os.getloadavg()[0], **figures}) + "\n")
    return 0 if all(one["p99"] <= one["promised"] for one in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
