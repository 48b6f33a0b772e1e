"""Seconds from a delegation to the first activity of its agent session while every agent slot is busy, and from the
session's stop button to no process of the run.

Run by hand: `python -m tests.benchmarks.bench_sessions [delegations] [stops]`. Starts the demo's stack with one agent
slot and a model that takes 0.8 s a reply, prints one line of JSON with p50 and p99 in seconds, and ends with 1 when a
promise is broken. Linear shows a session as unresponsive after ten seconds.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from redis import Redis

from integrations.standins.demo.person import Ana
from integrations.values import RunId
from jobs.runtime import keys
from jobs.runtime.scripts import decode
from tests.benchmarks.bench_takeover import Bench, figure
from tests.crash.stack import FragileStack, free_ports, processes_below

PROMISES = {"first_activity": 10.0, "stopped": 5.0}
LATENCY = 0.8


class SessionBench(Bench):
    """Delegations on one stack."""

    def __init__(self, stack: FragileStack, redis: Redis) -> None:
        super().__init__(stack, redis)
        self.ana = Ana(stack)

    def delegate(self) -> str:
        """A new ticket, delegated to Loopline; returns its identifier."""
        ticket = self.board.create(self._bug["title"], self._bug["description"])
        (identifier,) = [name for name, one in self.ana.board().items() if one["id"] == ticket]
        self.ana.delegate(identifier)
        return identifier

    def first_activity(self) -> float:
        """By the board's clock, while the only agent slot has a run."""
        identifier = self.delegate()
        self.until(lambda: self._session(identifier)["activities"])
        session = self._session(identifier)
        return _time(session["activities"][0]["createdAt"]) - _time(session["createdAt"])

    def stopped(self) -> float:
        """From the stop button to no process of the run, with a run that has begun to work."""
        identifier = self.delegate()
        self.until(lambda: self._find_run(identifier))
        run = self._find_run(identifier)
        folder = next((self.stack.service_home / "runs").glob(f"*/{run}"))
        session = self._session(identifier)["id"]
        began = self._now()
        self.ana.press_stop(session)
        self.until(lambda: not self.redis.sismember(keys.RUNS, run) and not processes_below(folder))
        took = self._now() - began
        self.until(lambda: self._session(identifier)["status"] == "complete")
        return took

    def clear(self) -> None:
        """Stop every session, so that no run is left."""
        for identifier in self.ana.board():
            for session in self.ana.sessions(identifier):
                if session["status"] not in {"complete", "error"}:
                    self.ana.press_stop(session["id"])
        self.until(lambda: not self.redis.smembers(keys.RUNS))

    def _session(self, identifier: str) -> Any:
        return self.ana.sessions(identifier)[-1]

    def _find_run(self, identifier: str) -> str:
        """The ticket's run, once an agent has begun to work in it."""
        runs = [decode(run) for run in self.redis.smembers(keys.RUNS)]
        own = [run for run in runs if run.startswith(f"{identifier}-")]
        return next((run for run in own if self.redis.xlen(keys.transcript(RunId(run))) > 1), "")

    @staticmethod
    def _now() -> float:
        return datetime.now().timestamp()


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main(delegations: int = 40, stops: int = 20) -> int:
    """Measure; returns the exit code."""
    extra = {"LOOPLINE_AGENT_PROCESSES": "1", "LOOPLINE_AGENT_SLOTS": "1"}
    with tempfile.TemporaryDirectory(prefix="loopline-sessions-") as folder:
        stack = FragileStack(Path(folder), free_ports(28_000), LATENCY, extra=extra)
        with stack, stack.redis() as redis:
            bench = SessionBench(stack, redis)
            bench.delegate()
            seconds = {"first_activity": [bench.first_activity() for _ in range(delegations)]}
            sys.stderr.write(f"first_activity: {figure(seconds['first_activity'], PROMISES['first_activity'])}\n")
            bench.clear()
            seconds["stopped"] = [bench.stopped() for _ in range(stops)]
    figures = {name: figure(found, PROMISES[name]) for name, found in seconds.items()}
    sys.stdout.write(
        json.dumps({"delegations": delegations, "stops": stops, "load": os.getloadavg()[0], **figures}) + "\n"
    )
    return 0 if all(one["p99"] <= one["promised"] for one in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
