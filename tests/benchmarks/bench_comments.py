"""Seconds from a person's comment to its first visible effect on the ticket, by the board's clock.

Run by hand: `python -m tests.benchmarks.bench_comments [comments]`. Starts the demo's stack with one agent slot, which
a run occupies, and a model that takes 0.8 s a reply; prints one line of JSON with p50 and p99 in seconds of guidance
for the agent (its emoji), `/status` (its answer), and a sentence at a stopped ticket (its emoji). Ends with 1 when a
promise is broken.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from redis import Redis

from integrations.values import TicketId
from jobs.runtime import keys
from jobs.store.runs import Runs
from tests.benchmarks.bench_takeover import Bench, figure
from tests.crash.stack import FragileStack, free_ports

PROMISES = {"guidance": 5.0, "status": 5.0, "stopped": 5.0}
LATENCY = 0.8
REPLIES = 9  # of one ticket, below the limit of replies


class CommentBench(Bench):
    """Comments on one stack."""

    def __init__(self, stack: FragileStack, redis: Redis) -> None:
        super().__init__(stack, redis)
        self.ticket = self.start()

    def start(self) -> str:
        """A new ticket with an agent at work; returns its id."""
        ticket = self.board.hand_over(self._bug["title"], self._bug["description"])
        runs = Runs(self.redis)
        self.until(lambda: any(self.redis.xlen(keys.transcript(run)) > 1 for run in runs.list_runs(TicketId(ticket))))
        return ticket

    def guidance(self, number: int) -> float:
        """To the emoji on guidance for an agent at work."""
        return self._say(f"Please keep the helper number {number}.", "reactionCreate")

    def status(self, number: int) -> float:
        """To the answer to a command, of which one ticket gets ten an hour."""
        if number and not number % REPLIES:
            self.end(self.ticket)
            self.ticket = self.start()
        return self._say("/status", "commentCreate", " of $")

    def stopped(self, number: int) -> float:
        """To the emoji on a sentence that is kept for the next attempt."""
        return self._say(f"Next time, begin with file {number}.", "reactionCreate")

    def _say(self, text: str, operation: str, sign: str = "") -> float:
        """Seconds to the effect: an emoji on this comment, or a comment with this sign."""
        before = len(self.stack.log("linear"))
        self.board.say(self.ticket, text)
        found: list[tuple[str, str]] = []

        def find_effect() -> bool:
            new = self.stack.log("linear")[before:]
            said = next(one for one in new if one["operation"] == "commentCreate" and one["input"]["body"] == text)
            found[:] = [
                (said["at"], one["at"])
                for one in new
                if one["operation"] == operation
                and one["actor"] != said["actor"]
                and (sign in one["input"]["body"] if sign else one["input"]["commentId"] == said["result"])
            ]
            return bool(found)

        self.until(find_effect)
        return _time(found[0][1]) - _time(found[0][0])


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main(comments: int = 30) -> int:
    """Measure; returns the exit code."""
    extra = {"LOOPLINE_AGENT_PROCESSES": "1", "LOOPLINE_AGENT_SLOTS": "1"}
    with tempfile.TemporaryDirectory(prefix="loopline-comments-") as folder:
        stack = FragileStack(Path(folder), free_ports(28_500), LATENCY, extra=extra)
        with stack, stack.redis() as redis:
            bench = CommentBench(stack, redis)
            seconds: dict[str, list[float]] = {}
            for name in PROMISES:
                if name == "stopped":
                    bench.end(bench.ticket)
                seconds[name] = [getattr(bench, name)(number) for number in range(comments)]
                sys.stderr.write(f"{name}: {figure(seconds[name], PROMISES[name])}\n")
    figures = {name: figure(found, PROMISES[name]) for name, found in seconds.items()}
    sys.stdout.write(json.dumps({"comments": comments, "load": os.getloadavg()[0], **figures}) + "\n")
    return 0 if all(one["p99"] <= one["promised"] for one in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
