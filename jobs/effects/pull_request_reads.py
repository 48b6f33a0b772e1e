"""Reads of a pull request for events that are about its state. Called by `gather`."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import Event, PullRequestDequeued, PullRequestMerged, TimePassed
from integrations.ports.pull_request import PullRequestFacts
from jobs.effects.world import World
from jobs.loop.state import AT_WORK, OPEN


def read_facts(event: TimePassed, world: World) -> Event:
    """The pull request, for the deadlines that need it. One that was merged or closed is that event instead."""
    loop = world.store.load(event.ticket_id)
    if loop is None or not loop.pull_request.number or loop.stage not in OPEN | AT_WORK:
        return event
    facts = world.code_host.fetch_facts(loop.workspace.repository, loop.pull_request.number)
    if facts.merged and loop.merging.waits:
        return _to_merged(event, loop.workspace.repository, facts)
    return replace(event, facts=facts)


def read_dequeued(event: PullRequestDequeued, world: World) -> Event | None:
    """None if the pull request waits for its merge again; a merge of it counts instead."""
    facts = world.code_host.fetch_facts(event.repository, event.number)
    if facts.merged:
        return _to_merged(event, event.repository, facts)
    return None if facts.queued or facts.auto_merge else event


def _to_merged(event: TimePassed | PullRequestDequeued, repository: str, facts: PullRequestFacts) -> PullRequestMerged:
    return PullRequestMerged(
        event_id=event.event_id,
        ticket_id=event.ticket_id,
        at=event.at,
        repository=repository,
        number=facts.number,
        branch=facts.branch,
        head_sha=facts.head_sha,
    )
