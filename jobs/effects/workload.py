"""Effects for tickets that depend on the work of others: claims of files, reviews that wait, merged lines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from integrations.errors import NotFound, Rejected
from integrations.events import Event
from integrations.values import NO_COMMIT
from integrations.workload import Overlap, ReviewLoad
from integrations.workload_events import LinesCounted, OverlapFound, PathsClaimed
from jobs.effects.world import World
from jobs.evidence.claims import Claim
from jobs.evidence.overlaps import is_ignored, list_claimed
from jobs.loop.state import Loop
from jobs.loop.wait_state import ClaimPaths, CountMergedLines, MergedLines
from jobs.runtime import queues
from jobs.store.claims import place_claim
from jobs.store.merged_lines import MergedPullRequest, count_unreviewed, list_merged, record_merged
from jobs.workflow.bandwidth import sum_up

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def claim_paths(command: ClaimPaths, ctx: Context) -> Sequence[Event]:
    """Place the claim, and report each overlap to the other ticket too."""
    paths = list_claimed(_list_changed(command, ctx.world) if command.sha else command.paths, command.ignore)
    claim = Claim(
        ticket=ctx.ticket.id,
        identifier=ctx.ticket.identifier,
        generation=command.generation,
        started_at=command.handed_over_at,
        paths=paths,
    )
    place, load = (command.repository, command.base_branch), ctx.world.store.load
    overlaps = place_claim(ctx.world.redis, *place, claim, load, waits=command.waits)
    for overlap in overlaps:
        _report(overlap, command, ctx)
    fields = ctx.build_event_fields()
    return (PathsClaimed(**fields, generation=command.generation, overlaps=overlaps, sha=command.sha),)


def _list_changed(command: ClaimPaths, world: World) -> list[str]:
    """The files of the candidate; none when this host has lost it, which the push reports."""
    with suppress(NotFound, Rejected):
        changes = world.mirror(command.repository).changes(command.base_sha, command.sha, max_read=0)
        return [change.path for change in changes]
    return []


def _report(overlap: Overlap, command: ClaimPaths, ctx: Context) -> None:
    own = Overlap(ticket=ctx.ticket.id, identifier=ctx.ticket.identifier, paths=overlap.paths)
    kind = "waits" if command.waits else "beside"
    event = OverlapFound(
        event_id=f"overlap:{ctx.ticket.id}:{command.generation}:{kind}",
        ticket_id=overlap.ticket,
        at=ctx.world.now(),
        overlap=own,
        waits=command.waits,
    )
    if ctx.world.store.deliver(event):
        queues.wake_ticket(ctx.world.redis, overlap.ticket)


def read_load_of_new(loop: Loop | None, world: World) -> ReviewLoad | None:
    """The reviews of the loop's repository; None for a ticket that has a pull request."""
    if loop is None or loop.pull_request.number or not loop.workspace.repository:
        return None
    lines = count_unreviewed(list_merged(world.redis, loop.workspace.repository), world.now())
    return sum_up(world.store.loops(), loop, lines)


def count_merged_lines(command: CountMergedLines, ctx: Context) -> Sequence[Event]:
    """Count the lines, except those of generated files, and whether a person reviewed them."""
    is_reviewed = bool(command.approved_by) or _has_review(command, ctx.world)
    merged = MergedLines(lines=_count_lines(command, ctx.world), reviewed=is_reviewed)
    if ctx.loop:
        record_merged_lines(ctx.loop, merged, ctx.loop.finished_at or ctx.world.now(), ctx.world)
    return (LinesCounted(**ctx.build_event_fields(), lines=merged.lines, reviewed=is_reviewed),)


def record_merged_lines(loop: Loop, merged: MergedLines, at: float, world: World) -> None:
    """Record the lines of the loop's merged pull request for its repository. Idempotent."""
    one = MergedPullRequest(
        number=loop.pull_request.number,
        identifier=loop.identifier,
        at=at,
        lines=merged.lines,
        reviewed=merged.reviewed,
        url=loop.pull_request.url,
    )
    record_merged(world.redis, loop.workspace.repository, one)


def _count_lines(command: CountMergedLines, world: World) -> int:
    mirror = world.mirror(command.repository)
    if not command.base_sha or command.sha == NO_COMMIT:
        return 0
    with suppress(NotFound, Rejected):
        counted = mirror.count_lines(command.base_sha, command.sha)
        return sum(lines for path, lines in counted.items() if not is_ignored(path, ()))
    return 0


def _has_review(command: CountMergedLines, world: World) -> bool:
    """Whether a person reviewed the pull request; an app's review does not count."""
    try:
        reviews = list(world.code_host.reviews(command.repository, command.number))
    except Rejected:
        return False
    return any(one.state != "dismissed" and not one.author.endswith("[bot]") for one in reviews)
