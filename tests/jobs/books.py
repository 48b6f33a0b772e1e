"""Runs that exist and conversations on them, with a clock that a test turns."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

from redis import Redis

from integrations.ports.agent_runner import Grant, Refusal
from integrations.values import Identifier, Ticket, TicketId, Usage
from jobs.loop.caps import Caps
from jobs.loop.commands import RunSpec
from jobs.runtime.lease import Lease, hold
from jobs.store.breaker import Breaker, Windows
from jobs.store.runs import RunConversation, Runs
from tests.loops import spec_with

NOON = 1_795_608_000.0  # 2026-11-25 12:00 UTC
AMPLE = Caps(run_usd=1000, ticket_usd=1000, day_usd=1000)


class Clock:
    """Unix seconds that stand still until they are moved."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def spec_of(run_id: str = "r1", ticket_id: str = "t1", caps: Caps = AMPLE, **changes: Any) -> RunSpec:
    ticket = changes.pop("ticket", Ticket(id=TicketId(ticket_id), identifier=Identifier("ENG-1"), title="x"))
    known: dict[str, Any] = {"start_sha": "b" * 40, "model": "claude-sonnet-5-5", "caps": caps}
    return spec_with(ticket, run_id, **known | changes)


@contextlib.contextmanager
def at_work(
    redis: Redis, spec: RunSpec, clock: Clock | None = None, windows: Windows | None = None
) -> Iterator[RunConversation]:
    """A slice of the run: under its lease, its books taken up."""
    runs, clock = Runs(redis), clock or Clock()
    runs.start(spec)
    with hold(redis, f"run:{spec.run_id}") as lease:
        assert lease
        conversation = RunConversation(runs, spec, lease, Breaker(redis, windows or Windows(), clock), clock)
        conversation.ledger.balance()
        yield conversation


def taken_over(redis: Redis, lease: Lease) -> None:
    """Another process has the lease now."""
    redis.set(f"lease:{lease.name}", f"other:{uuid.uuid4()}:9")


def call(usd: float, tokens: int = 1000) -> Usage:
    """A call of this price; all but ten of its tokens are the prompt."""
    return Usage(model_calls=1, input_tokens=max(tokens - 10, 0), output_tokens=min(tokens, 10), cost_usd=usd)


def granted(answer: Grant | Refusal) -> bool:
    return isinstance(answer, Grant) and not answer.lowered


def refused(answer: Grant | Refusal) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer
