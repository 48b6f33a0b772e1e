"""Limits of an hour, so that Loopline and a bot, or two Looplines, cannot answer each other without end. Pure.

Times come from events. A time before the last counted one counts as equal to it, so a provider whose clock jumps back
opens no new hour.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.values import Person
from jobs.loop.commands import CommentOnPullRequest, PostComment
from jobs.loop.comments import Reply
from jobs.loop.state import Loop
from jobs.messages.replies import no_more_replies_message
from jobs.workflow.decision import Decision

HOUR = 3600.0
REPLIES_TO_STRANGER, REPLIES_TO_STRANGERS, REPLIES_TO_MEMBERS = 1, 3, 10
HAND_OVERS = 20


def limit_replies(before: Loop, decision: Decision, author: Person | None, at: float) -> Decision:
    """The decision without replies beyond the limits; a bot without permission gets none.

    `author` is None where the event has none. A decision that changes the state keeps its comments: the number of those
    is bounded by budget, revisions and hand-overs."""
    after, replies = decision.loop, [c for c in decision.commands if isinstance(c, PostComment | CommentOnPullRequest)]
    if not replies or _phase(after) != _phase(before):
        return decision
    now = max([at, *(reply.at for reply in after.comments.replies)])
    recent = tuple(reply for reply in after.comments.replies if now - reply.at < HOUR)
    silent = Decision(after, tuple(c for c in decision.commands if c not in replies))
    stranger = author.id or author.name if author and not author.may_steer else None
    if stranger is None:
        used = [reply for reply in recent if reply.author is None]
        if len(used) > REPLIES_TO_MEMBERS:
            return silent
        if len(used) == REPLIES_TO_MEMBERS:
            closing = PostComment(body=no_more_replies_message(REPLIES_TO_MEMBERS, used[0].at + HOUR))
            decision = Decision(after, (*silent.commands, closing))
    else:
        strangers = [reply.author for reply in recent if reply.author is not None]
        if (author and author.is_bot) or len(strangers) >= REPLIES_TO_STRANGERS:
            return silent
        if strangers.count(stranger) >= REPLIES_TO_STRANGER:
            return silent
    comments = replace(after.comments, replies=(*recent, Reply(at=now, author=stranger)))
    return replace(decision, loop=replace(after, comments=comments))


def count_hand_over(loop: Loop, at: float) -> tuple[float, ...]:
    """The times of the last hour's hand-overs with this one; more than `HAND_OVERS` of them are too many."""
    now = max([at, *loop.handed_over])
    return (*(time for time in loop.handed_over if now - time < HOUR), now)


def _phase(loop: Loop) -> tuple[object, ...]:
    return loop.stage, loop.generation, loop.revision
