"""Advances one run by one slice: some turns of an agent in its role, or the gate's commands.

The job is queued by `StartRun`, by itself and by the clock; the run's lease admits one worker. It has access to the
model and the sandbox only: its results are an event in the ticket's mailbox and commits in the local mirror.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from redis.exceptions import RedisError

from integrations.agents.transcript import find_statement
from integrations.disk import pause_when_exhausted
from integrations.errors import Frozen, Misconfigured, NotAttempted, Rejected, Unauthorized, Unavailable
from integrations.events import RunFinished
from integrations.ports.agent_runner import Entry
from integrations.results import EMPTY_RESULTS, Made, Result, RunRole
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.sandbox.limits import SandboxUnavailable
from integrations.sandbox.selftest import run_self_test_once
from integrations.sandbox.services import ServiceNotReady
from integrations.values import RunId, clean_text
from jobs.effects.world import World, current_world
from jobs.evidence.provenance import build_provenance
from jobs.loop.commands import RunSpec
from jobs.roles.answer import run_answer
from jobs.roles.briefs import APPROACH
from jobs.roles.checker import run_checker
from jobs.roles.environment import EnvironmentFailed, explain_failure
from jobs.roles.gate import run_gate
from jobs.roles.judge import run_judge
from jobs.roles.maker import find_question, keep_checkpoint, run_maker
from jobs.roles.planner import run_planner
from jobs.roles.preflight import run_preflight
from jobs.roles.review_comments import find_answers, remove_answers
from jobs.roles.scout import run_scout
from jobs.roles.slice import RunResult, Slice
from jobs.runtime import queues
from jobs.runtime.dead_processes import count_deaths
from jobs.runtime.disk import check_disk
from jobs.runtime.lease import Lease, hold
from jobs.runtime.requests import Requests
from jobs.runtime.run_order import take_next
from jobs.runtime.scripts import LeaseLost
from jobs.store.breaker import Breaker
from jobs.store.runs import RunConversation, stop_predicate
from jobs.workflow.run import FREE

GIVE_UP_AFTER = 3
PLACE_SECONDS = 2.0
"""Delay of a run until it asks again for one of the repository's places."""
GIVE_UP_AFTER_DEATHS = 5
_ROLES: dict[RunRole, Callable[[Slice], RunResult | None]] = {
    "preflight": run_preflight,
    "planner": run_planner,
    "scout": run_scout,
    "maker": run_maker,
    "gate": run_gate,
    "judge": run_judge,
    "checker": run_checker,
    "answer": run_answer,
}
_log = structlog.get_logger(__name__)


def advance_run(run_id: RunId) -> None:
    """RQ's entry: advance the run that is next by one slice, then queue it again. `run_id` is the run that was queued;
    another one of a higher priority can be next."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.ADVANCE, run_id)
    if world.freeze.is_frozen():
        return  # the clock wakes unfinished runs after the thaw
    if (following := take_next(world.redis)) and following != run_id:
        run_id = following
        queues.clear_wake_flag(world.redis, queues.ADVANCE, run_id)
    if not world.runs.is_unfinished(run_id) or Requests(world.redis).awaits_person(run_id):
        return  # the answer, or a stop, wakes it
    with structlog.contextvars.bound_contextvars(run=run_id), hold(world.redis, f"run:{run_id}") as lease:
        spec = world.runs.spec(run_id) if lease else None
        if lease is None or spec is None:
            return
        if not _has_place(spec, world):
            lease.release()
            queues.wake_run(world.redis, run_id, delay=PLACE_SECONDS)
            return
        try:
            _advance(spec, lease, world)
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))


def _has_place(spec: RunSpec, world: World) -> bool:
    """Whether WORKFLOW.md (`agent.max_concurrent_agents`) lets another agent of the repository work now."""
    most = spec.policy.agent.max_concurrent_agents
    if most is None or spec.role in FREE or world.runs.must_stop(spec.run_id):
        return True
    return world.runs.take_place(spec.workspace.repository, spec.run_id, most)


def _advance(spec: RunSpec, lease: Lease, world: World) -> None:
    stopped = stop_predicate(world.runs, spec.run_id, lease, lambda: _must_pause(world))
    _advance_slice(Slice(spec, world, RunConversation(world.runs, spec, lease), stopped), lease)


def _advance_slice(run: Slice, lease: Lease) -> None:
    spec, world = run.spec, run.world
    kill_sandboxes(run.folder)
    run.conversation.report_steering()  # a slice that died can have read guidance without reporting it
    run.conversation.ledger.balance()
    try:
        with run.held:
            ended = _check_limits(run, lease) or _ROLES[spec.role](run)
    except Frozen:
        ended = None
    except (Unavailable, Unauthorized) as error:
        run.conversation.park(error)
        return
    except EnvironmentFailed as error:
        ended = RunResult("environment", explain_failure(error))
    except ServiceNotReady as error:
        ended = RunResult("environment", str(error))
    except Misconfigured as error:
        ended = RunResult(error.kind, str(error))
    except Rejected as error:
        ended = RunResult("failed", str(error))
    except (LeaseLost, RedisError):
        raise  # not the run's fault: the next worker continues it
    except Exception as error:
        if pause := pause_when_exhausted(error):
            run.conversation.park(pause)
            return
        _log.exception("unexpected error")
        if world.raise_faults:
            raise
        if world.store.count_failure(spec.run_id, "run") < GIVE_UP_AFTER:
            return
        ended = RunResult("failed", f"internal error: {type(error).__name__}: {error}")
    run.conversation.ledger.balance()
    if ended and not (ended.outcome == "stopped" and not world.runs.must_stop(spec.run_id)):
        ended = keep_checkpoint(run, ended)
    if ended is None or not _finish(spec, ended, lease, world):
        lease.release()
        queues.wake_run(world.redis, spec.run_id)


def _must_pause(world: World) -> bool:
    """Whether the slice ends now, and the run continues later."""
    return world.stopping.is_set() or world.disk.is_full() or world.freeze.is_frozen()


def _check_limits(run: Slice, lease: Lease) -> RunResult | None:
    """The result of a run that ends before its next slice. Raises `NotAttempted` while the model that it needs is
    unavailable, or the disk is full."""
    if run.world.runs.must_stop(run.spec.run_id):
        return RunResult("stopped")
    if count_deaths(run.world.redis, lease.name) >= GIVE_UP_AFTER_DEATHS:
        reason = f"internal error: {GIVE_UP_AFTER_DEATHS} processes died at the same step of the run"
        return RunResult("failed", reason, EMPTY_RESULTS[run.spec.role])  # no checkpoint: it can be the step
    if run.spec.role not in FREE and (outage := run.conversation.find_outage()):
        raise NotAttempted(outage.reason, max(outage.until - time.time(), 0.1))
    begins = not run.folder.exists() and not run.conversation.entries()
    check_disk(run.world.disk.read(), run.world.settings, run.world.redis, begins=begins)
    if run.world.tests_sandbox and run.spec.role != "judge":
        _check_sandbox(run)
    run.conversation.resume()
    return None


def _check_sandbox(run: Slice) -> None:
    """This machine can have changed since the start of the process. Raises `Misconfigured`."""
    try:
        run_self_test_once(run.world.sandbox, run.world.settings.home / "sandbox-test", run.spec.run_id)
    except SandboxUnavailable as error:
        raise Misconfigured(str(error)) from error


def _finish(spec: RunSpec, ended: RunResult, lease: Lease, world: World) -> bool:
    """Report the result to the ticket. False: the run continues, for example because a maker has unread guidance."""
    if ended.outcome == "stopped" and not world.runs.must_stop(spec.run_id):
        return False  # this process shuts down or lost the lease; the run was not asked to stop
    usage = world.runs.usage(spec.run_id)
    entries = [entry for _, entry in world.runs.transcript(spec.run_id)]
    result = _result(spec, ended, entries)
    inputs = world.runs.inputs(spec.run_id)
    event = RunFinished(
        event_id=f"{spec.run_id}:finished",
        ticket_id=spec.ticket.id,
        at=time.time(),
        run_id=spec.run_id,
        generation=spec.generation,
        outcome=ended.outcome,
        summary=clean_text(remove_answers(ended.summary) if spec.threads else ended.summary)[:4000],
        result=result,
        usage=usage,
        provenance=build_provenance(spec, ended.outcome, result, inputs, entries, usage),
        blocked=world.runs.blocked(spec.run_id),
    )
    heed = spec.role == "maker" and ended.outcome in {"done", "no_change"}
    Breaker(world.redis).end_probe(spec.run_id, answered=False)  # the probe of a slice that died
    finished = world.runs.finish(lease, event, heed_guidance=heed)
    if finished:
        queues.wake_ticket(world.redis, spec.ticket.id)
    return finished


def _result(spec: RunSpec, ended: RunResult, entries: Sequence[Entry]) -> Result:
    """The role's result. A maker's result names its approach even when the run was stopped."""
    result = ended.result or EMPTY_RESULTS[spec.role]
    if not isinstance(result, Made):
        return result
    answers = find_answers(ended.summary, spec.threads)
    rest = remove_answers(ended.summary) if answers else ended.summary
    question = find_question(rest, changed=bool(answers) or ended.outcome != "no_change")
    return replace(result, approach=find_statement(entries, APPROACH)[:1000], question=question, answers=answers)
