"""Claims of files by tickets, for each repository and base branch. Called by `jobs.effects.workload`.

A claim with effect blocks the tickets that come later. A ticket that waits has one without effect, which is its place:
those handed over later wait for it too. Only tickets that wait point at others, and those with effect never wait, so
there is no deadlock. A claim counts while its loop is at work or in review; those of other loops are deleted when they
are read, so nothing has to release them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from redis import Redis
from redis.client import Pipeline

from integrations.values import Codec, Identifier, TicketId, value
from integrations.workload import Overlap
from jobs.evidence.overlaps import find_common
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.runtime import keys

KEPT_SECONDS = 30 * 86_400


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


_CLAIM: Codec[Claim] = Codec(Claim)


def is_held(claim: Claim, loop: Loop | None) -> bool:
    """Whether the claim still counts, by the present state of its loop."""
    if loop is None or loop.generation != claim.generation:
        return False
    waits = loop.stage is Stage.WAITING and loop.wait.kind == "files"
    return waits or (claim.has_effect and loop.stage in (AT_WORK | OPEN) - {Stage.WAITING})


def find_overlaps(claim: Claim, others: list[Claim]) -> tuple[Overlap, ...]:
    """The claims that come before this one and have files in common with it. Pure."""
    earlier = [one for one in others if one.has_effect or (not claim.has_effect and one.place < claim.place)]
    found = ((one, find_common(claim.paths, one.paths)) for one in sorted(earlier, key=lambda one: one.place))
    return tuple(Overlap(ticket=one.ticket, identifier=one.identifier, paths=paths) for one, paths in found if paths)


def place_claim(
    redis: Redis, repository: str, base: str, claim: Claim, load: Callable[[TicketId], Loop | None], *, waits: bool
) -> tuple[Overlap, ...]:
    """Replace the ticket's claim; returns the overlaps with others. Atomic: of two tickets that claim the same files at
    the same moment one gets them. `waits`: with overlaps the claim has no effect."""
    key, overlaps = keys.claims(repository, base), tuple[Overlap, ...]()

    def place(pipe: Pipeline) -> None:
        nonlocal overlaps
        stored: Any = pipe.hgetall(key)
        others = [one for one in map(_CLAIM.decode, stored.values()) if one.ticket != claim.ticket]
        gone = [one.ticket for one in others if not is_held(one, load(one.ticket))]
        held = [one for one in others if one.ticket not in gone]
        overlaps = find_overlaps(replace(claim, has_effect=not waits), held)
        pipe.multi()
        if gone:
            pipe.hdel(key, *gone)
        pipe.hset(key, claim.ticket, _CLAIM.encode(replace(claim, has_effect=not (waits and overlaps))))
        pipe.expire(key, KEPT_SECONDS)

    redis.transaction(place, key)
    return overlaps
