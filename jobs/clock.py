"""The clock process: dispatches the inbox, queues missed wake-ups, sweeps and redelivery. Started by `python -m jobs`.

Any number of clocks can run; one leads, under a lease. It has no tokens: jobs do the work that needs them.
"""

from __future__ import annotations

import threading
import time

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.disk import DiskMonitor
from integrations.values import TicketId
from jobs.config.settings import Settings
from jobs.inbox import dispatch
from jobs.inbox.journal import Journal
from jobs.runtime import keys, queues
from jobs.runtime.dead_processes import release_leases_of_dead_processes
from jobs.runtime.lease import OWNER, Lease, hold
from jobs.runtime.scripts import LeaseLost, decode
from jobs.store.runs import Runs

LEADER = "clock"
RECONCILE_SECONDS = 1.0
DISPATCH_WAIT_MS = 250
REDELIVER_SECONDS = 300.0
_log = structlog.get_logger(__name__)


def run(settings: Settings, redis: Redis, stop: threading.Event) -> None:
    """Lead under the lease until `stop`; retries while Redis is unavailable."""
    while not stop.is_set():
        try:
            release_leases_of_dead_processes(redis, settings.home)
            with hold(redis, LEADER) as lease:
                if lease:
                    _log.info("leading")
                    _lead(settings, redis, lease, stop)
        except (RedisError, LeaseLost, OSError) as error:  # OSError: no free file descriptor, a broken disk
            _log.warning("clock interrupted, will retry", reason=str(error))
        stop.wait(RECONCILE_SECONDS)


def _lead(settings: Settings, redis: Redis, lease: Lease, stop: threading.Event) -> None:
    dispatch.create_consumer_group(redis)
    journal = Journal(settings.home / "journal", settings.journal_megabytes * 1_000_000, DiskMonitor(settings.home))
    next_reconcile = next_sweep = next_redeliver = 0.0
    while not stop.is_set():
        lease.check()
        dispatch.dispatch(redis, OWNER, DISPATCH_WAIT_MS, journal)
        now = time.monotonic()
        if now >= next_reconcile:
            next_reconcile = now + RECONCILE_SECONDS
            release_leases_of_dead_processes(redis, settings.home)
            reconcile(redis)
        if now >= next_sweep:
            next_sweep = now + settings.sweep_seconds
            queues.wake(redis, queues.SWEEP)
        if now >= next_redeliver:
            next_redeliver = now + REDELIVER_SECONDS
            queues.wake(redis, queues.REDELIVER)


def reconcile(redis: Redis) -> None:
    """Wake every ticket and run that has work and no worker: the recovery path for lost wake-ups.

    Tickets and runs in backoff are left out, so that no request is wasted on a provider that is unavailable."""
    queues.enqueue_due(redis, time.time())
    for ticket in redis.smembers(keys.READY):
        name = TicketId(decode(ticket))
        if not redis.exists(keys.lease(name), keys.retry_at(name)) and not queues.has_delayed_wake(redis, name):
            queues.wake_ticket(redis, name)
    for run_id in Runs(redis).list_unfinished():
        if not redis.exists(keys.lease(f"run:{run_id}"), keys.retry_at(run_id)):
            queues.wake_run(redis, run_id)
