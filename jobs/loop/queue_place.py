"""The place of a run in the queue of the agents. A value."""

from __future__ import annotations

from integrations.values import value


@value
class QueuePlace:
    """`place` of `waiting` runs, from 1; `busy` of `agents` slots are at work, 0 agents when no agent process lives."""

    place: int
    waiting: int
    agents: int
    busy: int
