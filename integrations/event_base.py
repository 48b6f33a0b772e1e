"""The fields that all events share."""

from __future__ import annotations

from integrations.values import TicketId, value


@value
class BaseEvent:
    """`event_id` deduplicates it; `at` is Unix seconds."""

    event_id: str
    ticket_id: TicketId = TicketId("")
    at: float = 0.0
