"""The clock process: dispatches the inbox, queues missed wake-ups, sweeps and redelivery. Started by `python -m jobs`.

Any number of clocks can run; one leads, under a lease. It has no tokens: jobs do the work that needs them.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.disk import DiskMonitor
from integrations.events import TimePassed
from integrations.values import TicketId
from jobs.config.settings import Settings
from jobs.inbox import dispatch
from jobs.inbox.journal import Journal
from jobs.recovery import older_redis
from jobs.runtime import epoch, keys, notices, queues
from jobs.runtime.clocks import ClockWatch, Incident, is_set, read_redis_time
from jobs.runtime.dead_processes import release_leases_of_dead_processes
from jobs.runtime.freeze import find_freeze
from jobs.runtime.heartbeats import HEARTBEATS, LIFE_SECONDS
from jobs.runtime.lease import LIFE_MS, OWNER, RENEW_SECONDS, Lease, hold
from jobs.runtime.requests import Requests
from jobs.runtime.scripts import LeaseLost, decode, run_script
from jobs.store.queue_places import QueuePlaces
from jobs.store.runs import Runs
from jobs.store.tickets import Store

LEADER = "clock"
RECONCILE_SECONDS = 1.0
DISPATCH_WAIT_MS = 250
REDELIVER_SECONDS = 300.0
TAKEOVER_PAUSE_SECONDS = 2 * RENEW_SECONDS
NOTICE_SECONDS = 600
_NO_KEY = -2  # reply of PTTL
CLOCK_NOT_SET = "The clock of Redis's host is not set, its date is before 2025. Set it, or set up time synchronization."
_log = structlog.get_logger(__name__)


def run(settings: Settings, redis: Redis, stop: threading.Event) -> None:
    """Lead under the lease until `stop`; retries while Redis is unavailable."""
    watch, is_foreign = ClockWatch(), False
    while not stop.is_set():
        try:
            if not older_redis.prepare(redis, settings.home):
                if not is_foreign:
                    _log.error("Redis of another installation", reason=older_redis.FOREIGN)
                is_foreign = True
                stop.wait(epoch.RAISE_SECONDS)
                continue
            release_leases_of_dead_processes(redis, settings.home)
            with hold(redis, LEADER) as lease:
                if lease:
                    _log.info("leading")
                    _check_that_clock_is_set(redis)
                    _lead(settings, redis, lease, stop, watch)
        except (RedisError, LeaseLost, OSError) as error:  # OSError: no free file descriptor, a broken disk
            _log.warning("clock interrupted, will retry", reason=str(error))
        watch.interrupt()
        stop.wait(RECONCILE_SECONDS)


def _lead(settings: Settings, redis: Redis, lease: Lease, stop: threading.Event, watch: ClockWatch) -> None:
    dispatch.create_consumer_group(redis)
    journal = Journal(settings.home / "journal", settings.journal_megabytes * 1_000_000, DiskMonitor(settings.home))
    places = QueuePlaces(redis, settings.agent_slots)
    next_reconcile = next_sweep = next_redeliver = next_epoch = takeovers_from = 0.0
    while not stop.is_set():
        lease.check()
        now = time.monotonic()
        if now >= next_epoch:
            next_epoch = now + epoch.RAISE_SECONDS
            if not older_redis.prepare(redis, settings.home):
                return
            older_redis.raise_epoch(redis, settings.home, time.time())
        dispatch.dispatch(redis, OWNER, DISPATCH_WAIT_MS, journal)
        now = time.monotonic()
        if now >= next_reconcile:
            next_reconcile = now + RECONCILE_SECONDS
            if incident := watch.tick(redis):
                takeovers_from = now + TAKEOVER_PAUSE_SECONDS
                _handle_incident(redis, incident)
            release_leases_of_dead_processes(redis, settings.home)
            frozen = find_freeze(redis, settings.home) is not None
            reconcile(redis, take_over=now >= takeovers_from, frozen=frozen)
            if not frozen:
                places.note(time.time())
        if now >= next_sweep:
            next_sweep = now + settings.sweep_seconds
            queues.wake(redis, queues.SWEEP)
        if now >= next_redeliver:
            next_redeliver = now + REDELIVER_SECONDS
            queues.wake(redis, queues.REDELIVER)


def reconcile(redis: Redis, *, take_over: bool = True, frozen: bool = False) -> None:
    """Wake every ticket and run that has work and no worker: the recovery path for lost wake-ups.

    Tickets and runs in backoff are left out, so that no request is wasted on a provider that is unavailable. Without
    `take_over`, leases that have just expired can still be renewed by their holders. Runs are not woken while the
    service is `frozen`."""
    queues.enqueue_due(redis, read_redis_time(redis))
    deliver_deadlines(redis, time.time())
    if not take_over:
        return
    if not frozen and redis.exists(keys.NEW_SESSIONS) and not redis.exists(keys.retry_at(keys.NEW_SESSIONS)):
        queues.wake(redis, queues.ACKNOWLEDGE)
    for ticket in redis.smembers(keys.READY):
        name = TicketId(decode(ticket))
        if not _is_busy(redis, name, name) and not queues.has_delayed_wake(redis, name):
            queues.wake_ticket(redis, name)
    for run_id in () if frozen else Runs(redis).list_unfinished():
        if not _is_busy(redis, f"run:{run_id}", run_id) and not Requests(redis).awaits_person(run_id):
            queues.wake_run(redis, run_id)


def deliver_deadlines(redis: Redis, now: float) -> None:
    """Deliver `TimePassed` to every loop with a deadline before `now` (Unix seconds). The commit of its decision
    replaces the deadline; until then a repeated delivery has no effect."""
    store = Store(redis)
    found: Any = redis.zrangebyscore(keys.DUE, "-inf", now, withscores=True)
    for member, due in found:
        ticket = TicketId(decode(member))
        if store.deliver(TimePassed(event_id=f"due:{ticket}:{due}", ticket_id=ticket, at=now, due=due)):
            queues.wake_ticket(redis, ticket)


def _is_busy(redis: Redis, lease: str, item: str) -> bool:
    """Whether a worker has the item, or it backs off. After the clock went back neither lasts longer than it can."""
    is_busy = False
    for key, longest in ((keys.lease(lease), LIFE_MS), (keys.retry_at(item), int(queues.LONGEST_DELAY_SECONDS * 1000))):
        left = redis.pttl(key)
        is_busy = is_busy or left != _NO_KEY
        if left > longest:
            run_script(redis, "shorten", [key], [longest])
    return is_busy


def _check_that_clock_is_set(redis: Redis) -> None:
    """Report a clock that lost its time while the host was off: no provider's certificate is valid then."""
    if not is_set(read_redis_time(redis)):
        _log.error("clock not set", reason=CLOCK_NOT_SET)
        notices.post(redis, "clock", CLOCK_NOT_SET, NOTICE_SECONDS)


def _handle_incident(redis: Redis, incident: Incident) -> None:
    """Log it in one line, and let everything that waits wait as long as was meant."""
    if incident.jump:
        names = [HEARTBEATS, queues.LATER, keys.BREAKER, keys.BREAKER_FAILURES, keys.REFUSED_CREDENTIALS]
        lasting = [decode(key) for pattern in ("retry:*", "wake:*") for key in redis.scan_iter(pattern)]
        run_script(redis, "adjust", [*names, *lasting], [incident.jump, read_redis_time(redis), LIFE_SECONDS])
        _log.warning("clock jumped", reason=incident.sentence, seconds=round(incident.jump))
    elif incident.slept:
        _log.warning("host slept", reason=incident.sentence, seconds=round(incident.slept))
    else:
        _log.warning("processes were stopped", reason=incident.sentence, seconds=round(incident.stopped))
    notices.post(redis, "clock", incident.sentence, NOTICE_SECONDS)
