"""Eight runs against one model that misbehaves, by a clock that the test turns."""

from __future__ import annotations

import heapq
import json
from concurrent.futures import ThreadPoolExecutor

from redis import Redis

from integrations.events import RunParked
from integrations.ports.agent_runner import AgentOutcome
from jobs.runtime import keys
from tests.jobs.books import Clock, spec_of
from tests.jobs.model_runs import Model, advance

RUNS = 8


class Fleet:
    """Eight runs of eight tickets. `until_done` wakes each at its time; the first moment is everybody's at once."""

    def __init__(self, redis: Redis, model: Model) -> None:
        self.redis, self.model, self.clock = redis, model, Clock()
        self.specs = [spec_of(f"r{n}", f"t{n}") for n in range(RUNS)]
        self.rests: list[float] = []

    def step(self, number: int) -> AgentOutcome | float:
        outcome = advance(self.redis, self.model, self.specs[number], self.clock)
        assert outcome is not None
        return outcome

    def until_done(self, mended_at: float) -> list[AgentOutcome]:
        """Every run's outcome; the provider is well again at that moment."""
        with ThreadPoolExecutor(RUNS) as pool:
            first = list(pool.map(self.step, range(RUNS)))
        ends = [one for one in first if isinstance(one, AgentOutcome)]
        due = [(self.clock.now + one, n) for n, one in enumerate(first) if isinstance(one, float)]
        heapq.heapify(due)
        while due:
            self.clock.now, number = heapq.heappop(due)
            if self.clock.now >= mended_at:
                self.model.mend()
            outcome = self.step(number)
            if isinstance(outcome, float):
                self.rests.append(outcome)
                heapq.heappush(due, (self.clock.now + outcome, number))
            else:
                ends.append(outcome)
        return ends

    def refusals(self) -> int:
        return sum("status" in entry["result"] for entry in self.model.log())

    def told(self, number: int) -> list[RunParked]:
        events = map(json.loads, self.redis.lrange(keys.mailbox(f"t{number}"), 0, -1))
        return [RunParked(**event) for event in events if event["kind"] == "RunParked"]
