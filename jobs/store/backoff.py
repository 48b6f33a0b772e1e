"""How a run waits: for a provider that is away, for the next day's budget, for credentials.

Called by `jobs.store.runs.RunConversation`.

Waiting costs the run nothing: no attempt, no iteration, no turn. The ticket hears of a long wait once, and once when it
is over; short ones are silent. Comments are read meanwhile by `jobs.drive`.
"""

from __future__ import annotations

import random
import time

import structlog
from redis import Redis

from integrations.errors import HeldBack, IntegrationError, Unavailable
from integrations.events import RunParked
from integrations.values import RunId
from jobs.loop.commands import RunSpec
from jobs.runtime import keys, queues
from jobs.store.breaker import Breaker
from jobs.store.ledger import Ledger
from jobs.store.tickets import Store

SILENT_SECONDS = 10.0
LONGEST_SECONDS = 60.0
_log = structlog.get_logger(__name__)


def park(spec: RunSpec, ledger: Ledger, breaker: Breaker, error: IntegrationError, redis: Redis, now: float) -> float:
    """Let the run rest; returns for how many seconds. Everybody's time is the breaker's where it is open."""
    wait = _wait(spec.run_id, error, breaker, redis, now)
    _log.warning("the run waits", reason=str(error), wait_seconds=round(wait, 1))
    until = now + wait
    if wait > SILENT_SECONDS and abs(ledger.parked_until - until) > SILENT_SECONDS:
        _tell(spec, until, str(error), redis)
        ledger.park(until)
    redis.set(keys.retry_at(spec.run_id), 1, px=max(int(wait * 1000), 1))
    queues.wake_run(redis, spec.run_id, delay=wait)
    return wait


def _wait(run_id: RunId, error: IntegrationError, breaker: Breaker, redis: Redis, now: float) -> float:
    if isinstance(error, HeldBack) and error.retry_after:
        return error.retry_after
    if known := breaker.look(run_id):
        return max(known.until - now, 0.1)
    failures = Store(redis).failed(run_id, "unavailable")
    named = error.retry_after if isinstance(error, Unavailable) else None
    return named or min(0.5 * 2**failures, LONGEST_SECONDS) * random.uniform(0.5, 1.0)


def unpark(spec: RunSpec, ledger: Ledger, redis: Redis) -> None:
    """The run got an answer: what it waited for is over."""
    redis.hdel(keys.failures(spec.run_id), "unavailable")
    if since := ledger.parked_until:
        _tell(spec, 0, "", redis, f"after-{since:.0f}")
        ledger.park(0)


def _tell(spec: RunSpec, until: float, reason: str, redis: Redis, name: str = "") -> None:
    """Tell the ticket, once for each time that is named."""
    event = RunParked(
        event_id=f"{spec.run_id}:parked:{name or f'{until:.0f}'}",
        ticket_id=spec.ticket.id,
        at=time.time(),
        run_id=spec.run_id,
        generation=spec.generation,
        until=until,
        reason=reason[:500],
    )
    if Store(redis).deliver(event):
        queues.wake_ticket(redis, spec.ticket.id)
