"""Answers the requests of agent processes. Called by the queue jobs of the processes that have credentials.

A performer reads, or writes idempotently by `Request.id`: it is repeated after a crash and an outage. It raises
`Unavailable` (retried), or `Rejected` (the answer). Nothing is done for a run that was stopped or lost its lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from redis.exceptions import RedisError

from integrations.errors import Frozen, Rejected, Unauthorized, Unavailable
from integrations.leaks.own import OwnSecrets
from integrations.request_budget import Priority, use_priority
from integrations.values import TicketId
from integrations.waits import LONGEST_WAIT, exponential_wait
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.runtime import keys, queues
from jobs.runtime.dead_processes import count_deaths
from jobs.runtime.lease import Lease, hold
from jobs.runtime.requests import KEPT_SECONDS, Answer, Request, Requests
from jobs.runtime.scripts import LeaseLost

Performer = Callable[[Request, RunSpec, World], Answer]
"""Gets the spec of the run, with its role, ticket and policy, by which it checks what the run has permission for."""
GIVE_UP_AFTER = 3
"""Unexpected errors, or deaths of a process, of one request."""
WITHHELD = "[Withheld by Loopline: the result holds a secret of its own settings.]"
_log = structlog.get_logger(__name__)


def answer_request(request_id: str, performers: Mapping[str, Performer], world: World, job: str) -> None:
    """Answer the request, once. `performers` are this process's by kind of request, `job` is the caller's queue job."""
    queues.clear_wake_flag(world.redis, job, request_id)
    if world.freeze.is_frozen():
        return  # its run asks again after the thaw
    with hold(world.redis, f"request:{request_id}") as lease:
        requests = Requests(world.redis)
        found = requests.find_open(request_id) if lease else None
        spec = world.runs.spec(found[0].run_id) if found else None
        if lease is None or found is None or spec is None or not requests.is_wanted(*found):
            return
        try:
            answer = _perform(found[0], spec, lease, performers, world)
        except Frozen:
            return
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))
            return
        except (Unavailable, Unauthorized) as error:
            _back_off(request_id, lease, error, job, world)
            return
        if answer:
            requests.answer(request_id, lease, _withhold(answer, world))
            world.redis.delete(keys.failures(TicketId(lease.name)))
        world.redis.expire(keys.fence(lease.name), KEPT_SECONDS)


def _perform(
    request: Request, spec: RunSpec, lease: Lease, performers: Mapping[str, Performer], world: World
) -> Answer | None:
    """The answer; None to try again."""
    if request.kind not in performers:
        return Answer(text=f"This process answers no requests of the kind {request.kind!r}.", is_error=True)
    if count_deaths(world.redis, lease.name) >= GIVE_UP_AFTER:
        return Answer(text=f"Internal error: {GIVE_UP_AFTER} processes died at this request.", is_error=True)
    try:
        with use_priority(Priority.BACKGROUND):
            return performers[request.kind](request, spec, world)
    except (Unavailable, Unauthorized, LeaseLost, RedisError):
        raise
    except Rejected as error:
        return Answer(text=str(error), is_error=True)
    except Exception as error:
        _log.exception("unexpected error", request=request.kind, run=request.run_id)
        if world.raise_faults:
            raise
        if world.store.count_failure(TicketId(lease.name), "request") < GIVE_UP_AFTER:
            return None
        return Answer(text=f"Internal error: {type(error).__name__}.", is_error=True)


def _back_off(request_id: str, lease: Lease, error: Unavailable | Unauthorized, job: str, world: World) -> None:
    failures = world.store.count_failure(TicketId(lease.name), "unavailable")
    wait = getattr(error, "retry_after", None) or exponential_wait(failures, 1.0, 60.0)
    _log.warning("request not answered, will retry", reason=str(error), wait_seconds=round(wait, 1))
    Requests(world.redis).note_outage(request_id, job, str(error), min(wait, LONGEST_WAIT))


def _withhold(answer: Answer, world: World) -> Answer:
    """Without a secret of this process, which the agent process does not have."""
    is_leak = OwnSecrets(world.settings.secret_values()).occur_in(answer.text.encode())
    return Answer(text=WITHHELD, is_error=True) if is_leak else answer
