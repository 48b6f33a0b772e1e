"""Events by which an agent at work addresses people, with its texts; `integrations.events` documents events."""

from __future__ import annotations

from typing import Literal

from integrations.event_base import BaseEvent
from integrations.values import RunId, value


@value
class PersonAsked(BaseEvent):
    """A run asks a person and waits for the answer to its request. `choices` are answers to choose from."""

    kind: Literal["PersonAsked"] = "PersonAsked"
    run_id: RunId
    generation: int
    request_id: str
    question: str
    choices: tuple[str, ...] = ()


@value
class TicketProposed(BaseEvent):
    """A run proposes a ticket for work outside of its own."""

    kind: Literal["TicketProposed"] = "TicketProposed"
    run_id: RunId
    generation: int
    title: str
    body: str
