"""Runs that talk over HTTP to a stand-in for the model, through the real runner, ledger and breaker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from redis import Redis

from integrations.agents.anthropic.prices import compute_usage
from integrations.agents.anthropic.runner import AnthropicApi
from integrations.errors import NotAttempted, Unauthorized, Unavailable
from integrations.ports.agent_runner import AgentOutcome, AgentTask
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve
from jobs.loop.caps import Caps
from jobs.loop.commands import RunSpec
from jobs.runtime import keys
from jobs.store.breaker import Windows
from tests.integrations.agents.doubles import FunctionToolbox, task
from tests.jobs.books import Clock, at_work, spec_of


class Model:
    """The stand-in, what it was told to do wrong, and what it has billed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api = AnthropicApi("sk-ant-test", url)

    def misbehave(self, kind: str, times: int = 100_000, seconds: float = 0.0) -> None:
        requests.post(f"{self.url}/_faults", json={"kind": kind, "times": times, "seconds": seconds}, timeout=5)

    def mend(self) -> None:
        requests.delete(f"{self.url}/_faults", timeout=5).raise_for_status()

    def log(self) -> list[dict[str, Any]]:
        return list(requests.get(f"{self.url}/_log", timeout=5).json())

    def bills(self) -> list[float]:
        """US dollars of each call that was answered, oldest first."""
        replies = [(entry["input"]["model"], entry["result"]) for entry in self.log()]
        return [compute_usage(model, result["usage"]).cost_usd for model, result in replies if "usage" in result]


@contextmanager
def model_at(home: Path, latency: float = 0.0) -> Iterator[Model]:
    with serve(create_app(home, latency)) as served:
        model = Model(served.url)
        yield model
        model.api.close()


def task_of(spec: RunSpec, **changes: Any) -> AgentTask:
    limits = {"max_turns": spec.caps.turns, "idle_seconds": spec.caps.idle_seconds, "model": spec.model}
    return task(**limits | changes)


def advance(
    redis: Redis,
    model: Model,
    spec: RunSpec,
    clock: Clock | None = None,
    windows: Windows | None = None,
    **changes: Any,
) -> AgentOutcome | float | None:
    """One slice as `jobs.advance_run` makes it: how it ended, or for how many seconds the run rests."""
    with at_work(redis, spec, clock, windows) as talk:
        try:
            deadline = time.monotonic() + 60
            return model.api.advance(task_of(spec, **changes), talk, FunctionToolbox(), lambda: False, deadline)
        except (NotAttempted, Unavailable, Unauthorized) as error:
            return talk.park(error)


def use_up(
    redis: Redis, model: Model, name: str, ticket_id: str, caps: Caps, most_runs: int = 100
) -> AgentOutcome | float:
    """Run after run on the ticket until one is refused, or that many; what others hold is waited for."""
    outcome: AgentOutcome | float | None = None
    for number in range(most_runs):
        spec = spec_of(f"{name}-{number}", ticket_id, caps)
        outcome = advance(redis, model, spec)
        while isinstance(outcome, float) and outcome <= 3.0:
            time.sleep(0.02)
            outcome = advance(redis, model, spec)
        if outcome is None or isinstance(outcome, float) or outcome.kind != "done":
            assert outcome is not None
            return outcome
        redis.srem(keys.RUNS, spec.run_id)
    assert outcome is not None
    return outcome
