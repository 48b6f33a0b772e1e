"""Before a decision: read again what a webhook hinted at. Called by `jobs.drive`, once per event.

Payloads are hints: they come late, twice, out of order, or from somebody who may not steer. What the tracker or the
code host shows now is what the rules get. Own writes end here, so that Loopline never triggers itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import structlog

from integrations.errors import NotFound
from integrations.events import (
    BranchPushed,
    Event,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestMerged,
    PullRequestReopened,
    ReviewSubmitted,
    TicketCommented,
    TicketEdited,
    TicketMoved,
    TicketReacted,
    TicketRemoved,
)
from integrations.ports.code_host import COMMENT_MARK
from integrations.ports.tracker import Comment, Reaction
from integrations.values import Person, TicketId
from jobs.effects.world import World
from jobs.loop.commands import MoveTicket

_log = structlog.get_logger(__name__)


def gather(event: Event, world: World) -> Event | None:
    """The event as it is true now; None when there is nothing to decide. Raises `Unavailable`."""
    match event:
        case TicketMoved():
            return _ticket(replace(event, moving=is_moving(event.ticket_id, world)), world)
        case TicketEdited():
            return _ticket(event, world)
        case TicketRemoved():
            return _removed(event, world)
        case TicketCommented():
            return _comment(event, world)
        case TicketReacted():
            return _reaction(event, world)
        case ReviewSubmitted():
            return _review(event, world)
        case PullRequestCommented() if COMMENT_MARK in event.body:
            return None
        case PullRequestCommented():
            return replace(event, author=_steerer(event.author, event.repository, world))
        case BranchPushed():
            return _push(event, world)
        case PullRequestMerged() | PullRequestClosed() | PullRequestReopened():
            return _pull_request(event, world)
        case _:
            return event


def _ticket(event: TicketMoved | TicketEdited, world: World) -> Event | None:
    try:
        ticket = world.tracker.fetch(event.ticket_id)
    except NotFound:
        return TicketRemoved(event_id=event.event_id, ticket_id=event.ticket_id, at=event.at)
    if ticket.trashed:
        return TicketRemoved(event_id=event.event_id, ticket_id=event.ticket_id, at=event.at)
    if ticket.team not in world.policy.teams:
        _log.warning("ticket of a team that LOOPLINE_TEAMS does not name", ticket=ticket.identifier, team=ticket.team)
        return None
    return replace(event, ticket=ticket)


def is_moving(ticket_id: TicketId, world: World) -> bool:
    """Whether a move of ours still waits for the tracker: the card may not be where it belongs yet."""
    return any(isinstance(command, MoveTicket) for command in world.store.waiting(ticket_id, "outer"))


def _removed(event: TicketRemoved, world: World) -> Event | None:
    """A removal may be old news: tickets come back from the trash."""
    try:
        return event if world.tracker.fetch(event.ticket_id).trashed else None
    except NotFound:
        return event


def _comment(event: TicketCommented, world: World) -> Event | None:
    try:
        comment = world.tracker.fetch_comment(event.comment_id)
    except NotFound:
        return None
    if comment.author.is_us:
        return None
    at = written_at(comment) or event.at
    return replace(event, body=comment.body, author=comment.author, at=at)


def _reaction(event: TicketReacted, world: World) -> Event | None:
    """Only what somebody who may steer put on a comment of ours, and has left there."""
    reacted = event.author.id if event.author else ""
    if reacted == world.tracker.viewer().id:
        return None  # our own 👀 are many: no request for them
    try:
        comment = world.tracker.fetch_comment(event.comment_id)
    except NotFound:
        return None
    there = [one for one in comment.reactions if (one.author.id, one.emoji) == (reacted, event.emoji)]
    if not comment.author.is_us or not there or not there[0].author.may_steer:
        return None
    return replace(event, author=there[0].author)


def _review(event: ReviewSubmitted, world: World) -> Event | None:
    reviews = world.code_host.reviews(event.repository, event.number)
    review = next((r for r in reviews if r.id == event.review_id), None)
    if review is None:
        return None
    return replace(
        event,
        state=review.state,
        body=review.body,
        comments=review.comments,
        head_sha=review.head_sha or event.head_sha,
        author=_steerer(event.author, event.repository, world),
    )


def _push(event: BranchPushed, world: World) -> Event | None:
    """None where the branch has moved on: a later push has an event and a time of its own."""
    head = world.code_host.branch_head(event.repository, event.branch) or ""
    return event if event.head_sha == head else None


def _steerer(author: Person | None, repository: str, world: World) -> Person | None:
    if author is None:
        return None
    return replace(author, may_steer=world.code_host.may_steer(repository, author.id))


def _pull_request(event: PullRequestMerged | PullRequestClosed | PullRequestReopened, world: World) -> Event | None:
    """What the pull request is now decides which of the three it is."""
    now = world.code_host.fetch_pull_request(event.repository, event.number)
    same = {name: getattr(event, name) for name in ("event_id", "ticket_id", "at", "repository", "number", "branch")}
    if now.merged:
        return event if isinstance(event, PullRequestMerged) else PullRequestMerged(**same, head_sha=now.head_sha)
    if now.state == "closed":
        return event if isinstance(event, PullRequestClosed) else PullRequestClosed(**same, head_sha=now.head_sha)
    if not isinstance(event, PullRequestReopened):
        return None
    # A head that is read now may have been pushed after the event, so no approval before now is meant for it.
    return replace(event, head_sha=now.head_sha, at=world.now())


def written_at(said: Comment | Reaction) -> float:
    """Unix seconds, 0 when the tracker does not say."""
    try:
        moment = datetime.fromisoformat(said.created_at)
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
