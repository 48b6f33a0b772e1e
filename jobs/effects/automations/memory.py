"""The memory of a repository's automations: a ticket with a text for people, and an attachment from which the state is
rebuilt when Redis is lost."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from integrations.automation_events import AutomationEvent, MemoryWritten
from integrations.errors import Rejected, Unauthorized
from integrations.events import TicketCommented
from integrations.ports.tracker import Attachment, Comment
from integrations.values import Identifier, Ticket, TicketId
from jobs.effects.automations.context import AutomationContext
from jobs.effects.automations.filing import question_id, watch_finding
from jobs.effects.gather import parse_time
from jobs.effects.lessons import keep_in_book
from jobs.effects.own_tickets import find_own_ticket
from jobs.effects.texts import sanitize_text, withhold_secrets
from jobs.effects.world import World
from jobs.loop.automation_commands import WriteMemory
from jobs.loop.automation_memory import Metadata, build_blocks, restore_state
from jobs.loop.automation_state import AutomationState
from jobs.loop.derived_ids import memory_name
from jobs.loop.finding_state import FindingLink
from jobs.loop.lesson_memory import describe_lessons, restore_lessons
from jobs.messages import automations as messages
from jobs.messages.text import state_message
from jobs.runtime import queues

_log = structlog.get_logger(__name__)


def write_memory(command: WriteMemory, ctx: AutomationContext) -> Sequence[AutomationEvent]:
    """Write the present state, over whatever people wrote there. Without a finding no ticket is created."""
    state, world = ctx.state, ctx.world
    ticket, free = find_own_ticket(memory_name(state.repository), world)
    if ticket is None and not state.findings:
        return ()
    draft = ticket or Ticket(id=free, identifier=Identifier(""), title="", team=state.team)
    tried = _describe_work(state, world)
    text = messages.memory_body(state.repository, state.findings, state.history, tried, world.now())
    body = sanitize_text(text, draft, world)
    if ticket is None:
        served = world.policy.teams.get(state.team)
        column = served.board_columns().get("done", "") if served else ""
        title = messages.memory_title(state.repository)
        ticket = world.tracker.create_ticket(state.team, title, body, free, column=column)
    else:
        world.tracker.describe_ticket(ticket.id, body)
    at, url = world.now(), f"{world.settings.dashboard_url}/automations/{state.repository}"
    first, *others = build_blocks(state)
    first |= describe_lessons(world.lessons.list(state.repository))
    for number, block in enumerate((first, *others)):
        facts: dict[str, str | int | float] = {"at": at}
        for name, fact in block.items():
            facts[name] = withhold_secrets(fact, ticket, world) if isinstance(fact, str) else fact
        place, title = (
            (f"{url}#{number}", f"{messages.MEMORY_TITLE} {number}") if number else (url, messages.MEMORY_TITLE)
        )
        world.tracker.attach(ticket.id, Attachment(place, title, "", facts))
    return (MemoryWritten(**ctx.build_event_fields("written"), run=command.run, ticket=ticket.to_reference()),)


def read_memory(repository: str, world: World) -> AutomationState | None:
    """The state of the repository's automations on the board, for a Redis that has none; None if there is no memory.

    Tickets of open findings are watched again. A memory that cannot be used is logged, and counts as none."""
    try:
        ticket, _ = find_own_ticket(memory_name(repository), world)
    except Unauthorized:
        raise
    except Rejected as error:
        _log.warning("memory not read", repository=repository, reason=str(error))
        return None
    if ticket is None:
        return None
    attached = sorted(world.tracker.attachments(ticket.id), key=lambda one: _read_time(one.metadata), reverse=True)
    others = [one.metadata for one in attached if one.title.startswith(f"{messages.MEMORY_TITLE} ")]
    for metadata in (one.metadata for one in attached if one.title == messages.MEMORY_TITLE):
        try:
            state = restore_state(repository, metadata, world.now(), others)
        except Rejected as error:
            _log.warning("memory not read", repository=repository, ticket=ticket.identifier, reason=str(error))
            continue
        _watch_open_findings(state, world)
        for kept in restore_lessons(metadata):
            keep_in_book(repository, kept, world)
        return replace(state, memory_ticket=ticket.to_reference())
    return None


def _read_time(metadata: Metadata) -> float:
    """When the attachment was written: there are two when the dashboard's address has changed."""
    at = metadata.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def _describe_work(state: AutomationState, world: World) -> dict[TicketId, str]:
    """One line about the work on each finding that was accepted."""
    lines = {}
    for one in state.findings:
        loop = world.store.load(one.ticket.id) if one.ticket and one.status in {"accepted", "done"} else None
        if loop and loop.generation:
            spent = loop.spend.usage.cost_usd
            lines[loop.ticket.id] = messages.work_line(state_message(loop.stage), loop.attempt.number, spent)
    return lines


def _watch_open_findings(state: AutomationState, world: World) -> None:
    """Watch them again, with the question whether to start, and decide the comments that have no answer."""
    known = {one.ticket.id: one for one in state.findings if one.ticket and one.status == "open"}
    with suppress(Rejected):
        for ticket in world.tracker.fetch_many(list(known)):
            one = known.get(ticket.id)
            if one and one.ticket and not ticket.trashed:
                comments = list(world.tracker.comments(ticket.id))
                link = FindingLink(
                    repository=state.repository,
                    fingerprint=one.fingerprint,
                    automation=one.automation,
                    column=one.ticket.column,
                    asks=any(comment.id == question_id(ticket.id) for comment in comments),
                )
                if watch_finding(ticket, link, world, _list_unanswered(comments)):
                    queues.wake_ticket(world.redis, ticket.id)


def _list_unanswered(comments: Sequence[Comment]) -> list[TicketCommented]:
    """Comments of people after the last one of Loopline: they can have arrived before the finding was watched again."""
    own = max((place for place, one in enumerate(comments) if one.author.is_us), default=-1)
    return [
        TicketCommented(
            event_id=f"restored:{one.id}", ticket_id=one.ticket_id, at=parse_time(one), comment_id=one.id, body=one.body
        )
        for one in comments[own + 1 :]
    ]
