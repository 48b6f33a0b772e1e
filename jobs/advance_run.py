"""The job that advances one run by one slice: a maker's turns, the gate's commands, or a checker's turns.

Woken by `StartRun`, by itself and by the reconciler; the run's lease decides who works. It holds the model key and the
sandbox and no other token: what it brings about is an event in the ticket's mailbox, and commits in the local mirror.
"""

from __future__ import annotations

import time
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from integrations.errors import Rejected, Unavailable
from integrations.events import RunFinished
from integrations.sandbox.leftovers import end_sandboxes_of
from jobs import keys, queues
from jobs.commands import RunSpec
from jobs.failpoints import fail
from jobs.lease import Lease, hold
from jobs.messages import died_reason
from jobs.roles import Ended, Slice, check, gate, make
from jobs.runs import stop_asker
from jobs.scripts import LeaseLost
from jobs.world import World, current

GIVE_UP_AFTER = 3
DEATHS = 5
_ROLES = {"maker": make, "gate": gate, "checker": check}
_log = structlog.get_logger(__name__)


def advance_run(run_id: str) -> None:
    """RQ's entry: one bounded piece of work, then back into the queue."""
    world = current()
    queues.woken(world.redis, queues.run_wake(run_id))
    if not world.runs.is_unfinished(run_id):
        return
    with structlog.contextvars.bound_contextvars(run=run_id), hold(world.redis, f"run:{run_id}") as lease:
        spec = world.runs.spec(run_id) if lease else None
        if lease is None or spec is None:
            return
        try:
            _begin(spec, lease, world)
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))


def _begin(spec: RunSpec, lease: Lease, world: World) -> None:
    """Whatever ends a slice but the death of its process says nothing of the run."""
    if world.runs.begin(spec.run_id) > DEATHS:
        _finish(spec, Ended("failed", died_reason(DEATHS)), lease, world)
        return
    try:
        _advance(spec, lease, world)
    finally:
        with suppress(RedisError):
            world.runs.ended(spec.run_id)


def _advance(spec: RunSpec, lease: Lease, world: World) -> None:
    stopped = stop_asker(world.runs, spec.run_id, lease, world.stopping.is_set)
    piece = Slice(spec, world, world.runs.conversation(spec, lease), stopped)
    end_sandboxes_of(piece.folder)
    piece.conversation.tell()  # what a slice that died had taken and not told
    try:
        ended = Ended("stopped") if world.runs.must_stop(spec.run_id) else _ROLES[spec.role](piece)
    except Unavailable as error:
        _wait(spec.run_id, error, world)
        return
    except Rejected as error:
        ended = Ended("failed", str(error))
    except (LeaseLost, RedisError):
        raise  # neither is the run's fault: whoever is woken next goes on
    except Exception as error:
        _log.exception("a fault of ours")
        if world.raise_faults:
            raise
        if world.store.failed(spec.run_id, "run") < GIVE_UP_AFTER:
            return
        ended = Ended("failed", f"internal error: {type(error).__name__}: {error}")
    if ended is None or not _finish(spec, ended, lease, world):
        lease.drop()
        queues.wake_run(world.redis, spec.run_id)


def _finish(spec: RunSpec, ended: Ended, lease: Lease, world: World) -> bool:
    """Tell the ticket. A maker that is done goes on when a person's words came in meanwhile."""
    if ended.outcome == "stopped" and not world.runs.must_stop(spec.run_id):
        return False  # this process shuts down or lost the lease; the run itself is not stopped
    event = RunFinished(
        event_id=f"{spec.run_id}:finished",
        ticket_id=spec.ticket_id,
        at=time.time(),
        run_id=spec.run_id,
        generation=spec.generation,
        role=spec.role,
        outcome=ended.outcome,
        summary=ended.summary[:4000],
        head_sha=ended.head_sha,
        evidence=ended.evidence,
        verdict=ended.verdict,
        usage=world.runs.usage(spec.run_id),
    )
    heed = spec.role == "maker" and ended.outcome in {"done", "no_change"}
    fail("finish_run", "before")
    finished = world.runs.finish(lease, event, heed_words=heed)
    fail("finish_run", "journaled")
    if finished:
        queues.wake_ticket(world.redis, spec.ticket_id)
    return finished


def _wait(run_id: str, error: Unavailable, world: World) -> None:
    failures = world.store.failed(run_id, "unavailable")
    wait = error.retry_after or min(0.5 * 2**failures, 60.0)
    _log.warning("the model is away", reason=str(error), failures=failures, wait_seconds=wait)
    world.redis.set(keys.retry_at(run_id), 1, px=max(int(wait * 1000), 1))
    queues.wake_run(world.redis, run_id, delay=wait)
