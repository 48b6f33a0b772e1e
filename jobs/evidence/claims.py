"""A ticket's claim of files, and the claims that come before it. Pure; `jobs.store.claims` keeps them."""

from __future__ import annotations

from integrations.values import Identifier, TicketId, value
from integrations.workload import Overlap
from jobs.evidence.overlaps import find_common
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage


@value
class Claim:
    """A ticket's files. `started_at` is the time of its hand-over, Unix seconds."""

    ticket: TicketId
    identifier: Identifier
    generation: int
    started_at: float
    paths: tuple[str, ...]
    has_effect: bool = True

    @property
    def place(self) -> tuple[float, str]:
        """Its place among the claims of tickets that wait."""
        return (self.started_at, self.ticket)


def is_held(claim: Claim, loop: Loop | None) -> bool:
    """Whether the claim still counts, by the present state of its loop."""
    if loop is None or loop.generation != claim.generation:
        return False
    waits = loop.stage is Stage.WAITING and loop.wait.kind == "files"
    return waits or (claim.has_effect and loop.stage in (AT_WORK | OPEN) - {Stage.WAITING})


def find_overlaps(claim: Claim, others: list[Claim]) -> tuple[Overlap, ...]:
    """The claims that come before this one and have files in common with it."""
    earlier = [one for one in others if one.has_effect or (not claim.has_effect and one.place < claim.place)]
    found = ((one, find_common(claim.paths, one.paths)) for one in sorted(earlier, key=lambda one: one.place))
    return tuple(Overlap(ticket=one.ticket, identifier=one.identifier, paths=paths) for one, paths in found if paths)
