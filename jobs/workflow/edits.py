"""Rules for comments that are edited or deleted after they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from integrations.events import TicketCommented, TicketCommentRemoved
from jobs.loop.commands import Command, Steer, StopRun, Unsteer
from jobs.loop.comments import MAX_SEEN, Guidance, SeenComment
from jobs.loop.state import AT_WORK, Loop, Stage
from jobs.messages.replies import corrected_guidance
from jobs.workflow.answers import requeue
from jobs.workflow.commands_text import WITH_TEXT, ParsedComment
from jobs.workflow.decision import Decision
from jobs.workflow.hearing import guide


def digest_of(body: str) -> str:
    return hashlib.sha256(body.strip().encode()).hexdigest()[:12]


def is_seen(loop: Loop, event: TicketCommented) -> bool:
    """Whether this text of the comment was decided, so that an edit or a late event has no second effect."""
    known = find_seen(loop, event.comment_id)
    return known is not None and (not event.edited or known.digest == digest_of(event.body))


def find_seen(loop: Loop, comment_id: str) -> SeenComment | None:
    return next((one for one in reversed(loop.comments.seen) if one.comment_id == comment_id), None)


def mark_seen(loop: Loop, event: TicketCommented, parsed: ParsedComment) -> Loop:
    """Remember the comment; one that is new moves the cursor for rebuilds too."""
    commands = tuple(command.name for command in parsed.commands)
    seen = tuple(one for one in loop.comments.seen if one.comment_id != event.comment_id)
    one = SeenComment(comment_id=event.comment_id, digest=digest_of(event.body), commands=commands)
    comments = replace(loop.comments, seen=(*seen, one)[-MAX_SEEN:])
    if not event.edited and event.at >= comments.last_at:
        comments = replace(comments, last_id=event.comment_id, last_at=event.at)
    return replace(loop, comments=comments)


def is_late_edit(loop: Loop, event: TicketCommented) -> bool:
    """Whether a comment that was never read was edited: one from before the hand-over does not count."""
    return event.edited and find_seen(loop, event.comment_id) is None and event.written_at <= loop.started_at


def correct(
    loop: Loop, old: SeenComment, parsed: ParsedComment, guidance: Guidance, hear_new: Callable[[Loop], Decision]
) -> Decision:
    """Replace a comment's old text where it was not acted on, otherwise deliver a correction. `hear_new` applies the
    text like that of a new comment."""
    names = tuple(command.name for command in parsed.commands)
    if names and names == old.commands:
        texts = [command.text for command in parsed.commands if command.name in WITH_TEXT and command.text]
        return _deliver_correction(loop, replace(guidance, text=texts[0])) if texts else Decision(loop)
    if names:
        return hear_new(loop)
    waits = [one for one in loop.comments.answering.open if one.comment_id == guidance.comment_id]
    if waits:
        loop, commands = _withdraw_question(loop, guidance.comment_id)
        answering = loop.comments.answering
        answering = replace(answering, waiting=(*answering.waiting, guidance))
        return Decision(replace(loop, comments=replace(loop.comments, answering=answering)), commands)
    if loop.stage in AT_WORK and _is_guidance(loop, guidance.comment_id):
        return _deliver_correction(loop, guidance)
    return hear_new(replace(loop, comments=loop.comments.without(guidance.comment_id)))


def _is_guidance(loop: Loop, comment_id: str) -> bool:
    return any(one.comment_id == comment_id for one in loop.comments.guidance)


def _deliver_correction(loop: Loop, guidance: Guidance) -> Decision:
    """To the agent at work: in place of the old text if it was not read."""
    if loop.stage not in AT_WORK:
        return Decision(loop)
    was_read = all(one.comment_id != guidance.comment_id for one in loop.comments.pending)
    if was_read:
        guidance = replace(guidance, text=corrected_guidance(guidance.text))
    decision = guide(replace(loop, comments=loop.comments.without(guidance.comment_id)), guidance)
    steers = tuple(command for command in decision.commands if isinstance(command, Steer))
    withdrawn: tuple[Command, ...] = () if was_read else _unsteer(loop, guidance.comment_id)
    return replace(decision, commands=(*withdrawn, *steers))


def _unsteer(loop: Loop, comment_id: str) -> tuple[Command, ...]:
    return (Unsteer(run_id=loop.run_id, comment_id=comment_id),) if loop.stage is Stage.MAKING else ()


def _withdraw_question(loop: Loop, comment_id: str) -> tuple[Loop, tuple[Command, ...]]:
    """Without this comment among those for the role `answer`; a run about it is stopped."""
    answering = loop.comments.answering
    commands: tuple[Command, ...] = ()
    if answering.asked and answering.asked.comment_id == comment_id:
        stop = StopRun(run_id=answering.run_id)
        loop, commands = requeue(loop), (stop,)
    answering = loop.comments.answering
    kept = tuple(one for one in answering.waiting if one.comment_id != comment_id)
    comments = replace(loop.comments, answering=replace(answering, waiting=kept))
    return replace(loop, comments=comments), commands


def on_ticket_comment_removed(loop: Loop, event: TicketCommentRemoved) -> Decision:
    """A comment without an effect so far is dropped; one that an agent has read stays in the briefs."""
    loop, commands = _withdraw_question(loop, event.comment_id)
    comments = loop.comments
    unread = any(one.comment_id == event.comment_id for one in (*comments.pending, *comments.noted))
    if not unread:
        return Decision(loop, commands)
    return Decision(
        replace(loop, comments=comments.without(event.comment_id)), (*commands, *_unsteer(loop, event.comment_id))
    )
