"""Sends queued notifications to their targets, each at most once. Queued by those who add one.

A target that fails is retried with backoff until its oldest notification is `LIFE_SECONDS` old. It delays neither other
targets nor tickets: only this job waits for it.
"""

from __future__ import annotations

import time

import structlog

from integrations import notifications as apprise
from integrations.errors import Frozen
from integrations.outward import check_outward
from integrations.waits import exponential_wait
from jobs.config.informing import list_target_urls
from jobs.effects.notifying import list_dead_targets
from jobs.effects.world import World, current_world
from jobs.messages.notifications import dead_target_sentence
from jobs.runtime import notices, queues
from jobs.runtime.freeze import POLL_SECONDS
from jobs.runtime.lease import Lease, hold
from jobs.runtime.scripts import LeaseLost
from jobs.store.notifications import Backoff, Notifications

LIFE_SECONDS = 6 * 3_600.0
FIRST_WAIT, LONGEST_WAIT = 5.0, 600.0
SLICE_SECONDS = 20.0
NOTICE_SECONDS = 1_200
_log = structlog.get_logger(__name__)


def notify() -> None:
    """RQ's entry: send what is queued, for `SLICE_SECONDS` at most."""
    world = current_world()
    queues.clear_wake_flag(world.redis, queues.NOTIFY)
    with hold(world.redis, "notify") as lease:
        if lease is None:
            return
        try:
            wait = _send_all(world, lease)
        except Frozen:
            wait = POLL_SECONDS
        except LeaseLost as error:
            _log.info("another process took over", reason=str(error))
            return
    if wait is not None:
        queues.wake(world.redis, queues.NOTIFY, delay=max(wait, 0.1))


def _send_all(world: World, lease: Lease) -> float | None:
    """Seconds until the next attempt is due; None when all queues are empty."""
    until, waits, queue = time.monotonic() + SLICE_SECONDS, [], Notifications(world.redis)
    for url in list_target_urls(world.settings.notify):
        target = apprise.identify_target(url)
        for lost in queue.take_interrupted(target):
            _log.warning("notification interrupted, not repeated", target=apprise.name_target(url), id=lost.id)
        while queue.has_any(target):
            check_outward()
            lease.check()
            known, now = queue.read_backoff(target), world.now()
            if now < known.due <= now + LONGEST_WAIT:
                waits.append(known.due - now)
                break
            if world.stopping.is_set() or time.monotonic() > until:
                waits.append(0.0)
                break
            _send_next(url, target, queue, lease, world)
    _report_dead_targets(world)
    return min(waits, default=None)


def _send_next(url: str, target: str, queue: Notifications, lease: Lease, world: World) -> None:
    """Claim the oldest notification of a target, then send it."""
    claimed, name = queue.claim(target), apprise.name_target(url)
    if claimed is None:
        return
    one = claimed.notification
    facts = {"target": name, "team": one.team, "id": one.id}
    if world.now() - one.at > LIFE_SECONDS:
        queue.settle(target, claimed)
        _log.error("notification given up", **facts)
        return
    sent = apprise.send(url, one.title, one.body)
    if sent.outcome == "sent":
        queue.settle(target, claimed)
        queue.set_backoff(target, Backoff())
        _log.info("notification sent", **facts)
        return
    failures = queue.read_backoff(target).failures + 1
    wait = exponential_wait(failures, FIRST_WAIT, LONGEST_WAIT)
    queue.set_backoff(target, Backoff(failures, sent.reason, world.now() + wait))
    if sent.outcome == "unknown":  # the service may have it, and an escalation is not repeated
        queue.settle(target, claimed)
        _log.warning("notification outcome unknown, not repeated", **facts, reason=sent.reason)
        return
    queue.return_claimed(lease, target, claimed)
    _log.warning("notification failed, will retry", **facts, reason=sent.reason, failures=failures, wait_seconds=wait)


def _report_dead_targets(world: World) -> None:
    """One notice for all targets that do not work, while they do not."""
    if dead := list_dead_targets(world):
        notices.post(world.redis, "notify", dead_target_sentence(dead), NOTICE_SECONDS)
    else:
        notices.clear(world.redis, "notify")
