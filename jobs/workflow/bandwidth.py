"""Rules for the bandwidth of people: no new ticket starts while too many verified pull requests wait for a review, or
too many lines were merged without one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from integrations.values import CommitSha, TicketRef
from integrations.workload import OpenReview, ReviewLoad
from integrations.workload_events import LinesCounted
from jobs.loop.commands import PostComment, WatchTickets
from jobs.loop.state import AT_WORK, Loop, Stage
from jobs.loop.wait_state import CountMergedLines, MergedLines, WaitKind, WaitState
from jobs.messages.waiting import REVIEWED_MESSAGE
from jobs.workflow.blockers import wait
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.routing import start_preparing

HELD: frozenset[WaitKind] = frozenset({"reviews", "unreviewed"})


def sum_up(loops: Iterable[Loop], own: Loop, lines: int) -> ReviewLoad:
    """The review load of its repository for the loop `own`."""
    place, repository = (own.started_at, own.ticket.id), own.workspace.repository
    others = [one for one in loops if one.workspace.repository == repository and one.ticket.id != own.ticket.id]
    reviews = [
        OpenReview(
            ticket=one.ticket.id,
            identifier=one.identifier,
            url=one.pull_request.url,
            since=one.pull_request.shown_at,
        )
        for one in others
        if one.stage is Stage.REVIEW
    ]
    held = [one for one in others if is_held(one) and (one.started_at, one.ticket.id) < place]
    at_work = [
        one.ticket.id for one in others if one.stage in AT_WORK - {Stage.WAITING} and not one.pull_request.number
    ]
    return ReviewLoad(
        reviews=tuple(sorted(reviews, key=lambda one: (one.since, one.identifier))),
        unreviewed_lines=lines,
        at_work=tuple(sorted(at_work)),
        held_before=len(held),
    )


def is_held(loop: Loop) -> bool:
    """Whether the loop waits for reviews of people."""
    return loop.stage is Stage.WAITING and loop.wait.kind in HELD


def find_hold(loop: Loop, load: ReviewLoad | None, policy: ServicePolicy) -> WaitState | None:
    """Why this new ticket has to wait for people, None if it can start.

    A ticket that waited, or comes after one that does, starts when its own pull request would still be within the
    limit: otherwise all of them would start after a single review."""
    own = loop.workflow.overlap
    if load is None or loop.wait.anyway or loop.pull_request.number or loop.attempts or loop.preflight.restarts:
        return None
    limit = policy.review_limit if own.review_limit is None else own.review_limit
    expected = len(load.reviews) + len(load.at_work) + load.held_before
    queued = bool(load.held_before) or loop.wait.kind == "reviews"
    if limit and load.reviews and (len(load.reviews) >= limit or (queued and expected >= limit)):
        return WaitState(kind="reviews", reviews=load.reviews[:20], limit=limit)
    most = own.unreviewed_lines_per_week
    if most and load.unreviewed_lines > most:
        return WaitState(kind="unreviewed", lines=load.unreviewed_lines, limit=most)
    return None


def on_reviews_read(loop: Loop, load: ReviewLoad | None, at: float, policy: ServicePolicy) -> Decision:
    """A ticket that waits for people was read again: start, or wait on."""
    if load and (cause := find_hold(loop, load, policy)):
        decision = hold(loop, cause, load, at)
        is_known = cause.kind == loop.wait.kind
        kept = (one for one in decision.commands if not (is_known and isinstance(one, PostComment)))
        return replace(decision, commands=tuple(kept))
    return start_preparing(loop, policy, PostComment(body=REVIEWED_MESSAGE))


def hold(loop: Loop, cause: WaitState, load: ReviewLoad, at: float) -> Decision:
    """Wait for people; a change of one of these tickets, or the sweep, decides again."""
    watched = tuple(TicketRef(id=one.ticket, identifier=one.identifier) for one in load.reviews)
    decision = wait(replace(loop, wait=cause), watched, at)
    watch = WatchTickets(tickets=load.at_work)
    return replace(decision, commands=(*decision.commands, watch)) if load.at_work else decision


def count_lines(loop: Loop, merged: CommitSha) -> CountMergedLines:
    """The command that counts the changed lines of the merged pull request, and whether a person looked at them."""
    shown, place = loop.pull_request, loop.workspace
    head = merged or shown.pushed_sha
    return CountMergedLines(
        repository=place.repository,
        number=shown.number,
        url=shown.url,
        base_sha=place.base_sha,
        sha=head,
        branch=place.branch,
        approved_by=shown.approved_by if shown.approved_sha == head else shown.commented_by,
    )


def on_lines_counted(loop: Loop, event: LinesCounted) -> Decision:
    """Keep the numbers on the ticket, from which a rebuild restores them."""
    return Decision(replace(loop, merged=MergedLines(lines=event.lines, reviewed=event.reviewed)))
