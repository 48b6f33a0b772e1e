"""Events about the work of other tickets; `integrations.events` documents events."""

from __future__ import annotations

from typing import Literal

from integrations.event_base import BaseEvent
from integrations.values import NO_COMMIT, CommitSha, TicketRef, value
from integrations.workload import Overlap


@value
class TicketCreated(BaseEvent):
    """Another ticket exists, created by the command with this `key`; `created` is its present state."""

    kind: Literal["TicketCreated"] = "TicketCreated"
    key: str
    created: TicketRef


@value
class PathsClaimed(BaseEvent):
    """The claim of the ticket's files was placed. `overlaps` are other tickets that edit some of them, `sha` the
    candidate whose files they are, empty for planned ones."""

    kind: Literal["PathsClaimed"] = "PathsClaimed"
    generation: int
    overlaps: tuple[Overlap, ...] = ()
    sha: CommitSha = NO_COMMIT


@value
class OverlapFound(BaseEvent):
    """Another ticket edits files of this one; `waits`: it starts after this one."""

    kind: Literal["OverlapFound"] = "OverlapFound"
    overlap: Overlap
    waits: bool = False


@value
class LinesCounted(BaseEvent):
    """The changed lines of the merged pull request; `reviewed`: a person approved it or commented on it."""

    kind: Literal["LinesCounted"] = "LinesCounted"
    lines: int
    reviewed: bool
