"""Rules for tickets that Loopline creates."""

from __future__ import annotations

from integrations.events import TicketCreated
from jobs.loop.commands import PostComment
from jobs.loop.state import Loop
from jobs.messages import routing as messages
from jobs.workflow.decision import Decision


def on_ticket_created(loop: Loop, event: TicketCreated) -> Decision:
    """Name the new ticket on the one that it comes from, once."""
    body = messages.ticket_created_message(event.created.identifier, event.created.title)
    return Decision(loop, (PostComment(body=body, once=f"created/{event.key}"),))
