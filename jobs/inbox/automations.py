"""Delivers events to the automations of repositories: declarations that changed, and triggers. Called by the dispatcher
and the sweep.

The id of a trigger names its cause, so a webhook and a later sweep start one run together.
"""

from __future__ import annotations

from collections.abc import Iterable

from redis import Redis

from integrations.automation_events import AutomationEvent, AutomationRequested, DeclarationsOutdated
from integrations.events import BranchPushed, ChecksReported, Event, TicketEdited
from integrations.values import CommitSha, TicketId
from jobs.loop.automation import Automation, Trigger
from jobs.loop.automation_state import AutomationState
from jobs.runtime import queues
from jobs.store.automations import AutomationStore


def route_to_automations(redis: Redis, event: Event) -> None:
    """Deliver a push to the base branch, a failed check of its head, or a new label to the automations it concerns."""
    store = AutomationStore(redis)
    match event:
        case BranchPushed():
            state = store.find(event.repository)
            if state and event.branch == state.base_branch:
                deliver(redis, [DeclarationsOutdated(event_id=event.event_id, ticket_id=state.id, at=event.at)])
        case ChecksReported(conclusion="failure"):
            state = store.find(event.repository)
            if state and event.head_sha == state.base_sha:
                deliver(redis, report_red_base(state, event.head_sha, event.at))
        case TicketEdited() if event.new_labels:
            report_labels(redis, event.ticket_id, event.team, event.new_labels, event.at)
        case _:
            return


def deliver(redis: Redis, events: Iterable[AutomationEvent]) -> None:
    """Deliver the events to their mailboxes, and wake these."""
    store = AutomationStore(redis)
    for event in events:
        if store.deliver(event):
            queues.wake_ticket(redis, event.ticket_id)


def report_red_base(state: AutomationState, sha: CommitSha, at: float) -> list[AutomationEvent]:
    """A check failed on the base branch's head: one run per commit."""
    return _build_trigger(state, "ci_red", sha, at)


def report_release(state: AutomationState, tag: str, at: float) -> list[AutomationEvent]:
    """A release was published."""
    return _build_trigger(state, "release", tag, at)


def report_labels(redis: Redis, ticket_id: TicketId, team: str, labels: Iterable[str], at: float) -> None:
    """The ticket of the team has these labels: one run per ticket and label."""
    names = {label.lower() for label in labels}
    for state in AutomationStore(redis).states() if names else ():
        for label in {one.label.lower() for one in state.automations if has_trigger(one, "label")} & names:
            if state.team == team:
                deliver(redis, _build_trigger(state, "label", f"{ticket_id}:{label}", at, label))


def has_trigger(automation: Automation, trigger: Trigger) -> bool:
    """Whether the automation starts at this event."""
    return automation.enabled and trigger in automation.on


def _build_trigger(
    state: AutomationState, trigger: Trigger, cause: str, at: float, label: str = ""
) -> list[AutomationEvent]:
    if not any(has_trigger(one, trigger) for one in state.automations):
        return []
    name = f"{trigger}:{state.repository}:{cause}"
    return [AutomationRequested(event_id=name, ticket_id=state.id, at=at, trigger=trigger, label=label)]
