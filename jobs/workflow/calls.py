"""Rules for requests of people from outside of the tracker: they are decided like a comment on the ticket, which
Loopline posts there, and the client gets the replies."""

from __future__ import annotations

from integrations.events import TicketCommented
from jobs.loop.commands import AnswerCaller, CallAnswer, Command, CommentOnPullRequest, PostComment, RelayComment
from jobs.loop.state import Loop
from jobs.messages.calls import moved_head_message, no_access_message, relayed_message
from jobs.workflow.commands_text import CommentCommand, ParsedComment
from jobs.workflow.decision import Decision


def read_call(event: TicketCommented) -> ParsedComment:
    """The command or the sentence of a request. Its text is not searched for further commands: the client asked its
    person about this one."""
    if event.command:
        return ParsedComment("", (CommentCommand(event.command, event.body.strip()),))
    return ParsedComment(event.body.strip())


def answer_call(before: Loop, event: TicketCommented, decision: Decision) -> Decision:
    """The decision with the person's comment before its effects, so that replies are in its thread, and the answer."""
    if not event.through:
        return decision
    refusal = _find_refusal(before, event)
    if refusal or event.author is None:
        return Decision(before, (AnswerCaller(request=event.event_id, answer=CallAnswer(refusal=refusal)),))
    replies = tuple(one.body for one in decision.commands if isinstance(one, PostComment | CommentOnPullRequest))
    answer = CallAnswer(replies=replies, stages=(before.stage.value, decision.loop.stage.value))
    body = relayed_message(event.author.name, event.through, event.command, event.body)
    first: tuple[Command, ...] = (
        AnswerCaller(request=event.event_id, answer=answer),
        RelayComment(comment_id=event.comment_id, body=body),
    )
    return Decision(decision.loop, (*first, *decision.commands))


def _find_refusal(loop: Loop, event: TicketCommented) -> str:
    """Why the request has no effect; empty if it is decided. The head can have moved since it was sent."""
    if event.author is None:
        return no_access_message(loop.identifier)
    head = loop.pull_request.pushed_sha
    return "" if head.startswith(event.commit) else moved_head_message(loop.identifier, head)
