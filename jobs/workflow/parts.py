"""Rules for a ticket that names several repositories, and for tickets that Loopline creates.

The ticket gets a sub-issue for each repository, and has no work of its own: it is done when all of them are. Its parts
are worked on side by side; the relations among them are the order of their merges.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.values import NewRelation, TicketId, TicketRef
from integrations.workload_events import TicketCreated
from jobs.loop.commands import Command, CreateTicket, MoveTicket, PostComment, SetNeedsHuman
from jobs.loop.state import Loop, Stage
from jobs.loop.wait_state import Part, WaitState
from jobs.messages import waiting as messages
from jobs.messages.parts import part_body, part_title
from jobs.workflow.blockers import explain, find_open_blockers, wait, watch
from jobs.workflow.decision import Decision
from jobs.workflow.escalation import escalate

NEEDS_HUMAN = "needs-human"


def split(loop: Loop, places: tuple[tuple[str, str], ...], at: float, *commands: Command) -> Decision:
    """Create a ticket for each (repository, base branch), in the order in which they are merged. Parts of an earlier
    hand-over stay, unless they were cancelled."""
    known = {(one.repository, one.base_branch): one for one in _refresh(loop).parts if one.ticket}
    kept = {place: one for place, one in known.items() if one.ticket and not one.ticket.cancelled}
    parts = tuple(
        kept.get((repository, base))
        or Part(repository=repository, base_branch=base, key=f"part/{loop.generation}/{repository}#{base}")
        for repository, base in places
    )
    waiting = replace(loop, stage=Stage.WAITING, reason="", parts=parts, wait=WaitState(kind="parts"))
    return _continue_split(waiting, at, *commands)


def _continue_split(loop: Loop, at: float, *commands: Command) -> Decision:
    """Create the next ticket that is missing, then wait for all of them."""
    for number, part in enumerate(loop.parts):
        if part.ticket is None:
            before = loop.parts[number - 1].ticket if number else None
            return Decision(loop, (*commands, _create(loop, number, before.id if before else None)))
    decision = wait(loop, find_open_blockers(loop.ticket) or _list_open(loop), at, *commands)
    return decision if _list_open(loop) else _finish(decision.loop, at)


def _create(loop: Loop, number: int, before: TicketId | None) -> CreateTicket:
    part = loop.parts[number]
    return CreateTicket(
        key=part.key,
        title=part_title(loop, part),
        body=part_body(loop, part),
        column="agent",
        as_part=True,
        relations=(NewRelation(kind="blocked_by", ticket_id=before),) if before else (),
        labels=tuple(label for label in loop.ticket.labels if label.lower() != NEEDS_HUMAN),
    )


def on_ticket_created(loop: Loop, event: TicketCreated, at: float) -> Decision:
    """Continue with the next part; a ticket for other work is named on the one that it comes from, once."""
    if all(part.key != event.key for part in loop.parts):
        body = messages.ticket_created_message(event.created.identifier, event.created.title)
        return Decision(loop, (PostComment(body=body, once=f"created/{event.key}"),))
    parts = (replace(part, ticket=event.created) if part.key == event.key else part for part in loop.parts)
    loop = replace(loop, parts=tuple(parts))
    waits = loop.stage is Stage.WAITING and loop.wait.kind == "parts"
    return _continue_split(loop, at) if waits else Decision(loop)


def on_parts_read(loop: Loop, at: float) -> Decision:
    """The ticket was read again: done when all parts are closed, a question when one was cancelled."""
    if any(part.ticket is None for part in loop.parts):
        return _continue_split(loop, at)
    loop = _refresh(loop)
    cancelled = [part for part in loop.parts if part.ticket and part.ticket.cancelled]
    if cancelled:
        return escalate(loop, "judgement", messages.part_cancelled_reason(cancelled), at)
    waits_for = find_open_blockers(loop.ticket)
    if not waits_for:
        return _finish(loop, at)
    return Decision(explain(replace(loop, waits_for=waits_for), at), watch(waits_for))


def _refresh(loop: Loop) -> Loop:
    """With the parts as they are on the board; one that is no sub-issue any more counts as cancelled."""
    children = {one.id: one for one in loop.ticket.children}
    parts = (
        replace(part, ticket=children.get(part.ticket.id, replace(part.ticket, closed=True, cancelled=True)))
        if part.ticket
        else part
        for part in loop.parts
    )
    return replace(loop, parts=tuple(parts))


def _list_open(loop: Loop) -> tuple[TicketRef, ...]:
    return tuple(part.ticket for part in loop.parts if part.ticket and not part.ticket.closed)


def _finish(loop: Loop, at: float) -> Decision:
    done = replace(loop, stage=Stage.DONE, reason="", finished_at=at, waits_for=())
    comment = PostComment(body=messages.parts_done_message(done.parts), once=f"{done.started_at}/parts-done")
    return Decision(done, (comment, SetNeedsHuman(needed=False), MoveTicket(column="done")))
