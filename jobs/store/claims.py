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

from integrations.values import Codec, TicketId
from integrations.workload import Overlap
from jobs.evidence.claims import Claim, find_overlaps, is_held
from jobs.loop.state import Loop
from jobs.runtime import keys

KEPT_SECONDS = 30 * 86_400


_CLAIM: Codec[Claim] = Codec(Claim)


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
