"""The job that advances one run by one slice: some turns of an agent in its role, or the gate's commands.

Woken by `StartRun`, by itself and by the reconciler; the run's lease decides who works. It holds the model key and the
sandbox and no other token: what it brings about is an event in the ticket's mailbox, and commits in the local mirror.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import structlog
from redis.exceptions import RedisError

from integrations.agents.transcript import stated
from integrations.errors import HeldBack, Rejected, Unauthorized, Unavailable
from integrations.events import RunFinished
from integrations.results import EMPTY_RESULTS, Made, Result, RunRole
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.values import RunId
from jobs.effects.world import World, current_world
from jobs.loop.commands import RunSpec
from jobs.roles.briefs import APPROACH
from jobs.roles.checker import run_checker
from jobs.roles.gate import run_gate
from jobs.roles.judge import run_judge
from jobs.roles.maker import run_maker
from jobs.roles.planner import run_planner
from jobs.roles.scout import run_scout
from jobs.roles.slice import RunResult, Slice
from jobs.runtime import queues
from jobs.runtime.dead_processes import count_deaths
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import LeaseLost
from jobs.store.breaker import Breaker
from jobs.store.runs import stop_predicate

GIVE_UP_AFTER = 3
GIVE_UP_AFTER_DEATHS = 5
_ROLES: dict[RunRole, Callable[[Slice], RunResult | None]] = {
    "planner": run_planner,
    "scout": run_scout,
    "maker": run_maker,
    "gate": run_gate,
    "judge": run_judge,
    "checker": run_checker,
}
_log = structlog.get_logger(__name__)


def advance_run(run_id: RunId) -> None:
    """RQ's entry: one bounded piece of work, then back into the queue."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.run_wake_flag(run_id))
    if not world.runs.is_unfinished(run_id):
        return
    with structlog.contextvars.bound_contextvars(run=run_id), hold(world.redis, f"run:{run_id}") as lease:
        spec = world.runs.spec(run_id) if lease else None
        if lease is None or spec is None:
            return
        try:
            _advance(spec, lease, world)
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))


def _advance(spec: RunSpec, lease: Lease, world: World) -> None:
    stopped = stop_predicate(world.runs, spec.run_id, lease, world.stopping.is_set)
    run = Slice(spec, world, world.runs.conversation(spec, lease), stopped)
    kill_sandboxes(run.folder)
    run.conversation.tell()  # what a slice that died had taken and not told
    run.conversation.ledger.balance()
    try:
        ended = _given_up(spec, lease, world) or _work(run)
    except (Unavailable, Unauthorized) as error:
        run.conversation.park(error)
        return
    except Rejected as error:
        ended = RunResult("failed", str(error))
    except (LeaseLost, RedisError):
        raise  # neither is the run's fault: whoever is woken next goes on
    except Exception as error:
        _log.exception("a fault of ours")
        if world.raise_faults:
            raise
        if world.store.failed(spec.run_id, "run") < GIVE_UP_AFTER:
            return
        ended = RunResult("failed", f"internal error: {type(error).__name__}: {error}")
    run.conversation.ledger.balance()
    if ended is None or not _finish(spec, ended, lease, world):
        lease.release()
        queues.wake_run(world.redis, spec.run_id)


def _given_up(spec: RunSpec, lease: Lease, world: World) -> RunResult | None:
    """What ends a run before its next slice."""
    if world.runs.must_stop(spec.run_id):
        return RunResult("stopped")
    if count_deaths(world.redis, lease.name) >= GIVE_UP_AFTER_DEATHS:
        return RunResult("failed", f"internal error: {GIVE_UP_AFTER_DEATHS} processes died at the same step of the run")
    return None


def _work(run: Slice) -> RunResult | None:
    """One slice of the role. Raises `HeldBack` before any work for a run that needs the model while it is away."""
    if run.spec.role != "gate" and (away := run.conversation.away()):
        raise HeldBack(away.reason, max(away.until - time.time(), 0.1))
    return _ROLES[run.spec.role](run)


def _finish(spec: RunSpec, ended: RunResult, lease: Lease, world: World) -> bool:
    """Tell the ticket. A maker that is done goes on when a person's words came in meanwhile."""
    if ended.outcome == "stopped" and not world.runs.must_stop(spec.run_id):
        return False  # this process shuts down or lost the lease; the run itself is not stopped
    event = RunFinished(
        event_id=f"{spec.run_id}:finished",
        ticket_id=spec.ticket.id,
        at=time.time(),
        run_id=spec.run_id,
        generation=spec.generation,
        outcome=ended.outcome,
        summary=ended.summary[:4000],
        result=_result(spec, ended, world),
        usage=world.runs.usage(spec.run_id),
    )
    heed = spec.role == "maker" and ended.outcome in {"done", "no_change"}
    Breaker(world.redis).probe_ended(spec.run_id, answered=False)  # of a slice that died and shall not be repeated
    finished = world.runs.finish(lease, event, heed_words=heed)
    if finished:
        queues.wake_ticket(world.redis, spec.ticket.id)
    return finished


def _result(spec: RunSpec, ended: RunResult, world: World) -> Result:
    """The role's result. A maker's names its strategy, also where the run was ended from outside."""
    result = ended.result or EMPTY_RESULTS[spec.role]
    if not isinstance(result, Made):
        return result
    entries = [entry for _, entry in world.runs.transcript(spec.run_id)]
    return replace(result, approach=stated(entries, APPROACH)[:1000])
