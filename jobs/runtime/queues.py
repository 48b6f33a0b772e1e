"""Wake-ups: RQ jobs whose payload is an id. Called by dispatcher, clock, performers and the jobs themselves.

A wake-up can be lost or duplicated: the work itself is in the mailbox or the transcript, the lease admits one worker,
and the clock wakes tickets and runs that were missed. RQ's scheduler is not used; delayed wake-ups wait in the sorted
set `later`, by Redis's clock, until the clock process calls `enqueue_due`.
"""

from __future__ import annotations

import json
from typing import cast

from redis import Redis
from rq import Queue

from integrations.failpoints import fail
from integrations.values import RunId, TicketId
from jobs.loop.automation_ids import is_automations
from jobs.runtime.clocks import read_redis_time
from jobs.runtime.run_order import add_waiting
from jobs.runtime.scripts import run_script

EVENTS = "events"
AGENTS = "agents"
CONNECTORS = "connectors"
"""Of the connectors process, which alone holds the tokens of MCP servers."""
REQUESTS = "requests"
"""Of agents to a worker, in slots of their own, so that slow ones delay no event."""
FIRST = "first"
"""Of jobs that must begin within seconds, however long those of `EVENTS` take: it has a slot of its own."""
LATER = "later"
DRIVE = "jobs.drive.drive"
AUTOMATE = "jobs.automate.automate"
ADVANCE = "jobs.advance_run.advance_run"
SWEEP = "jobs.sweep.sweep"
REDELIVER = "jobs.redeliver.redeliver"
ACKNOWLEDGE = "jobs.acknowledge.acknowledge"
CHECK_ACCESS = "jobs.access.check_access"
CONNECT = "jobs.access.connect_workspace"
INFORM = "jobs.inform.inform"
NOTIFY = "jobs.notify.notify"
LOOK_UP_MEMBER = "jobs.access.look_up_member"
TEND_LESSONS = "jobs.tend_lessons.tend_lessons"
SERVE = "jobs.serve_request.serve_request"
CALL_CONNECTOR = "jobs.connectors.call_connector"
CHECK_CONNECTORS = "jobs.connectors.check_connectors"
_QUEUE_OF = {
    DRIVE: EVENTS, AUTOMATE: EVENTS, ADVANCE: AGENTS, SWEEP: EVENTS, REDELIVER: EVENTS, ACKNOWLEDGE: FIRST,
    CHECK_ACCESS: EVENTS, CONNECT: EVENTS, INFORM: EVENTS, NOTIFY: EVENTS, LOOK_UP_MEMBER: FIRST,
    TEND_LESSONS: EVENTS, SERVE: REQUESTS, CALL_CONNECTOR: CONNECTORS, CHECK_CONNECTORS: CONNECTORS,
}  # fmt: skip
LONGEST_DELAY_SECONDS = 86_400.0
_DELAY_TOLERANCE_SECONDS = 60.0
_THROTTLE_MS = 2000
_KEEP_FAILURES_SECONDS = 86_400


def wake_ticket(redis: Redis, ticket_id: TicketId, delay: float = 0) -> None:
    """Queue a job that drives the ticket, or the automations of a repository, after `delay` seconds at the earliest."""
    wake(redis, job_of(ticket_id), ticket_id, delay=delay)


def job_of(ticket_id: TicketId) -> str:
    """The job that works on this mailbox."""
    return AUTOMATE if is_automations(ticket_id) else DRIVE


def wake_run(redis: Redis, run_id: RunId, delay: float = 0) -> None:
    """Queue a job that advances the run, after `delay` seconds at the earliest."""
    wake(redis, ADVANCE, run_id, delay=delay)


def wake(redis: Redis, job: str, *arguments: str, delay: float = 0) -> None:
    """Queue a job, one of the names above, after `delay` seconds, at most a day."""
    if delay <= 0:
        _enqueue(redis, job, arguments)
        return
    due = read_redis_time(redis) + min(delay, LONGEST_DELAY_SECONDS)
    redis.zadd(LATER, {json.dumps([job, *arguments]): due}, lt=True)


def has_delayed_wake(redis: Redis, ticket_id: TicketId) -> bool:
    """Whether a delayed wake-up of this ticket is pending."""
    return redis.zscore(LATER, json.dumps([job_of(ticket_id), ticket_id])) is not None


def cancel_delayed_wake(redis: Redis, ticket_id: TicketId) -> None:
    """Cancel the ticket's delayed wake-up. Called by the lease holder, which schedules a new one if needed."""
    redis.zrem(LATER, json.dumps([job_of(ticket_id), ticket_id]))


def clear_wake_flag(redis: Redis, job: str, *arguments: str) -> None:
    """Called first by every job, so that wake-ups from now on are queued instead of deduplicated."""
    redis.delete(wake_flag(job, *arguments))


def wake_flag(job: str, *arguments: str) -> str:
    """The key that is set while this wake-up is queued."""
    return ":".join(("wake", job, *arguments))


def enqueue_due(redis: Redis, now: float) -> int:
    """Queue all delayed wake-ups that are due at `now` (Unix seconds); returns their number. Called by the clock.

    One that is further away than the longest delay is due too: the clock went back while Loopline was stopped.
    At-least-once: the entry is removed after the job is queued, and only if it was not rescheduled meanwhile."""
    fail("enqueue.due", "before")
    enqueued = 0
    found: list[tuple[bytes, float]] = []
    for least, most in (("-inf", now), (now + LONGEST_DELAY_SECONDS + _DELAY_TOLERANCE_SECONDS, "+inf")):
        found += cast("list[tuple[bytes, float]]", redis.zrangebyscore(LATER, least, most, withscores=True))
    for member, score in found:
        function, *arguments = json.loads(member)
        if _enqueue(redis, function, tuple(arguments)):
            run_script(redis, "remove_delayed", [LATER], [member, repr(score)])
            enqueued += 1
    return enqueued


def open_queue(redis: Redis, name: str) -> Queue:
    """Return RQ's queue of this name, with JSON payloads."""
    return Queue(name, connection=redis, serializer="json")


def _enqueue(redis: Redis, function: str, arguments: tuple[str, ...]) -> bool:
    """Queue the job; False when the same wake-up was queued in the last two seconds and has not started."""
    if function == ADVANCE:
        add_waiting(redis, arguments[0])
    if not redis.set(wake_flag(function, *arguments), 1, nx=True, px=_THROTTLE_MS):
        return False
    operation = f"enqueue.{function.rpartition('.')[2]}"
    fail(operation, "before")
    open_queue(redis, _QUEUE_OF[function]).enqueue_call(
        function, args=arguments, timeout=-1, result_ttl=0, failure_ttl=_KEEP_FAILURES_SECONDS
    )
    fail(operation, "done")
    return True
