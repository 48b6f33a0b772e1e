"""Events made from polled comments, reactions, reviews and pull requests, and reminders of escalations. Pure.

Called by `jobs.sweep` and `jobs.recovery.rebuild`. The event ids are those that webhooks get (`integrations.trackers`,
`integrations.code_hosts`), so a late webhook is deduplicated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from integrations.events import (
    BranchPushed,
    EscalationUnanswered,
    PullRequestClosed,
    PullRequestMerged,
    ReviewSubmitted,
    TicketCommented,
    TicketReacted,
)
from integrations.ports.code_host import COMMENT_MARK, PullRequest, Review
from integrations.ports.tracker import Comment
from integrations.values import Person
from jobs.effects.gather import parse_time
from jobs.loop.state import OPEN, Loop, Stage

CALLS = 3  # an escalation and two reminders
LOOK_BACK = 86_400.0  # seconds; much less than the retention of known event ids, so no comment is read twice


def comment_events(loop: Loop, comments: Sequence[Comment]) -> list[TicketCommented]:
    """Comments of people since the hand-over, from a day before the last one that was read, because a webhook in
    between can be missing. Most of them are known events, which the mailbox deduplicates."""
    since = max(loop.started_at, loop.comments.last_at - LOOK_BACK)
    return [_event(comment) for comment in comments if parse_time(comment) > since and not comment.author.is_us]


def unread_comment_events(loop: Loop, comments: Sequence[Comment]) -> list[TicketCommented]:
    """Comments of people after the last one that was read, or since the hand-over; for a Redis without known events.

    `comments` are in order, oldest first; if the last one that was read is deleted, its time counts."""
    ids = [comment.id for comment in comments]
    if loop.comments.last_id in ids:
        later = comments[ids.index(loop.comments.last_id) + 1 :]
    else:
        since = max(loop.comments.last_at, loop.started_at)
        later = [comment for comment in comments if parse_time(comment) > since]
    return [_event(comment) for comment in later if not comment.author.is_us]


def escalation_event(loop: Loop, now: float, hours: float) -> EscalationUnanswered | None:
    """The event of an escalation without an answer for `hours` at `now` (Unix seconds), once for each reminder."""
    call = loop.escalation
    if loop.stage is not Stage.NEEDS_HUMAN or call is None or call.acknowledged or call.raised > CALLS:
        return None
    if now - call.at < hours * 3600:
        return None
    return EscalationUnanswered(
        event_id=f"sweep:unanswered:{loop.ticket.id}:{loop.generation}:{call.raised}:{int(call.at)}",
        ticket_id=loop.ticket.id,
        at=now,
        generation=loop.generation,
    )


def reaction_events(loop: Loop, comments: Sequence[Comment]) -> list[TicketReacted]:
    """Reactions on Loopline's comments since the last escalation, by people with permission to control Loopline."""
    since = loop.escalation.at if loop.escalation else loop.started_at
    return [
        TicketReacted(
            event_id=f"reaction:{one.id}",
            ticket_id=comment.ticket_id,
            at=parse_time(one),
            comment_id=comment.id,
            emoji=one.emoji,
            author=one.author,
        )
        for comment in comments
        if comment.author.is_us
        for one in comment.reactions
        if one.author.may_steer and not one.author.is_us and parse_time(one) > since
    ]


def review_events(loop: Loop, reviews: Iterable[Review], at: float) -> list[ReviewSubmitted]:
    """Reviews of the commit that is under review now; `at` is Unix seconds. Older reviews have been answered."""
    return [
        ReviewSubmitted(
            event_id=f"review:{review.id}:{review.state}",
            ticket_id=loop.ticket.id,
            at=at,
            repository=loop.workspace.repository,
            number=loop.pull_request.number,
            head_sha=review.head_sha,
            review_id=review.id,
            state=review.state,
            body=review.body,
            author=Person(id=review.author, name=review.author),
        )
        for review in reviews
        if review.head_sha == loop.pull_request.pushed_sha
        and (review.state in ("approved", "changes_requested", "dismissed") or _has_remarks(review))
    ]


def _has_remarks(review: Review) -> bool:
    """Whether it has inline comments that are not replies of Loopline."""
    return review.state == "commented" and any(COMMENT_MARK not in one for one in review.comments)


def pull_request_event(
    loop: Loop, now: PullRequest
) -> type[PullRequestMerged] | type[PullRequestClosed] | type[BranchPushed] | None:
    """The missed event of the loop's pull request, or None. A close before a retry does not end the retry."""
    if now.merged:
        return PullRequestMerged
    if now.state != "open":
        return PullRequestClosed if loop.stage in OPEN else None
    return None if now.head_sha in {loop.candidate.head_sha, loop.pull_request.pushed_sha} else BranchPushed


def _event(comment: Comment) -> TicketCommented:
    return TicketCommented(
        event_id=f"comment:{comment.id}", ticket_id=comment.ticket_id, at=parse_time(comment), comment_id=comment.id
    )
