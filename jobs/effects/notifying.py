"""Queues notifications for a team's targets; `jobs.notify` sends them, so that no ticket waits for a target."""

from __future__ import annotations

from integrations.notifications import identify_target, name_target
from jobs.config.informing import MessageKind, list_target_urls, list_targets
from jobs.effects.world import World
from jobs.loop.derived_ids import derive_id
from jobs.loop.problem import DeadTarget
from jobs.loop.state import Loop
from jobs.messages.notifications import (
    escalation_body,
    escalation_title,
    more_escalations_body,
    more_escalations_title,
)
from jobs.runtime import queues
from jobs.runtime.lease import Lease
from jobs.store.escalation_groups import EscalationGroups
from jobs.store.notifications import Notification, Notifications
from jobs.workflow.problems import find_cause

DEAD_AFTER = 3
"""Failures in a row after which a target is reported."""


def queue_notification(kind: MessageKind, notification: Notification, world: World) -> None:
    """Queue it for each of the team's targets, idempotent by its id."""
    urls, queue = list_targets(world.settings.notify, notification.team, kind), Notifications(world.redis)
    if [url for url in urls if queue.queue(identify_target(url), notification)]:
        queues.wake(world.redis, queues.NOTIFY)


def notify_of_escalation(loop: Loop, command_id: str, world: World) -> None:
    """Queue the notification of an escalation that the ticket shows, idempotent by the command that raised it. Only the
    first one of a cause is queued at once; one that is answered already is left out."""
    team, cause, now = loop.ticket.team, find_cause(loop), world.now()
    if not cause or not list_targets(world.settings.notify, team, "escalations"):
        return
    if EscalationGroups(world.redis).join(f"{team}:{cause}", command_id, loop.identifier, now):
        one = Notification(id=command_id, team=team, title=escalation_title(loop), body=escalation_body(loop), at=now)
        queue_notification("escalations", one, world)


def notify_of_further_escalations(world: World, lease: Lease) -> None:
    """Queue one notification for the further escalations of each cause."""
    groups = EscalationGroups(world.redis)
    for collected in groups.list_due(world.now()):
        lease.check()
        team, kind, _ = collected.group.split(":")
        if collected.tickets:
            names = tuple(dict.fromkeys(collected.tickets.values()))
            one = Notification(
                id=f"escalations:{derive_id(*sorted(collected.tickets))}",
                team=team,
                title=more_escalations_title(kind, len(names)),
                body=more_escalations_body(names),
                at=world.now(),
            )
            queue_notification("escalations", one, world)
        groups.settle(collected)


def has_queued_notifications(world: World) -> bool:
    """Whether a notification waits for a target."""
    queue = Notifications(world.redis)
    return any(queue.has_any(identify_target(url)) for url in list_target_urls(world.settings.notify))


def list_dead_targets(world: World) -> list[DeadTarget]:
    """Each target that failed `DEAD_AFTER` times in a row; one of several teams is that of the first."""
    queue, found = Notifications(world.redis), dict[str, DeadTarget]()
    for team, targets in world.settings.notify.items():
        for one in (*targets.escalations, *targets.digest):
            url = one.get_secret_value()
            target = identify_target(url)
            known = queue.read_backoff(target)
            if known.failures >= DEAD_AFTER:
                dead = DeadTarget(id=target, team=team, scheme=name_target(url), reason=known.reason)
                found.setdefault(target, dead)
    return list(found.values())
