"""Comments and reviews that nobody told us of: found by reading, made into the events that webhooks would have been.

Called by `jobs.sweep` and `jobs.rebuild`. Pure. The event ids are made from the comment's or review's own, as the
providers' webhooks make them (`integrations.trackers`, `integrations.code_hosts`), so a late webhook adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from integrations.base import Comment, PullRequest, Review
from integrations.events import BranchPushed, PullRequestClosed, PullRequestMerged, ReviewSubmitted, TicketCommented
from integrations.values import Person
from jobs.loop import OPEN, Loop

LOOK_BACK = 86_400.0  # seconds; far less than events are known for, so nothing is read twice


def said(loop: Loop, comments: Sequence[Comment]) -> list[TicketCommented]:
    """What people wrote since the hand-over, up to a day before the last comment that was read: a webhook in between
    may be missing. Most of it has been read, so deliver it where events are known."""
    since = max(loop.started_at, loop.last_comment_at - LOOK_BACK)
    return [_event(comment) for comment in comments if written_at(comment) > since and not comment.author.is_us]


def unread(loop: Loop, comments: Sequence[Comment]) -> list[TicketCommented]:
    """For a memory that does not know its events: what people wrote after the last comment that was read, or after the
    hand-over when none was. `comments` come oldest first; where the last one was deleted, its time counts."""
    ids = [comment.id for comment in comments]
    if loop.last_comment in ids:
        later = comments[ids.index(loop.last_comment) + 1 :]
    else:
        since = max(loop.last_comment_at, loop.started_at)
        later = [comment for comment in comments if written_at(comment) > since]
    return [_event(comment) for comment in later if not comment.author.is_us]


def unseen(loop: Loop, reviews: Iterable[Review], at: float) -> list[ReviewSubmitted]:
    """The reviews of the commit that is under review now; `at` is Unix seconds. Older ones have had their answer."""
    return [
        ReviewSubmitted(
            event_id=f"review:{review.id}:{review.state}",
            ticket_id=loop.ticket.id,
            at=at,
            repository=loop.repository,
            number=loop.number,
            head_sha=review.head_sha,
            review_id=review.id,
            state=review.state,
            author=Person(id=review.author, name=review.author),
        )
        for review in reviews
        if review.head_sha == loop.pushed_sha and review.state in ("approved", "changes_requested", "dismissed")
    ]


def changed(
    loop: Loop, now: PullRequest
) -> type[PullRequestMerged] | type[PullRequestClosed] | type[BranchPushed] | None:
    """What happened to the loop's pull request, None for nothing. One that was closed before its ticket was taken up
    again does not end the new work."""
    if now.merged:
        return PullRequestMerged
    if now.state != "open":
        return PullRequestClosed if loop.stage in OPEN else None
    return None if now.head_sha in {loop.head_sha, loop.pushed_sha} else BranchPushed


def written_at(comment: Comment) -> float:
    """Unix seconds, 0 when the tracker does not say."""
    try:
        moment = datetime.fromisoformat(comment.created_at)
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _event(comment: Comment) -> TicketCommented:
    return TicketCommented(
        event_id=f"comment:{comment.id}",
        ticket_id=comment.ticket_id,
        at=written_at(comment),
        comment_id=comment.id,
    )
