"""What the tracker contract needs besides a tracker: a board to try it on."""

from __future__ import annotations

from typing import Protocol

from integrations.ports.tracker import Tracker


class Board(Protocol):
    """A board with one team. Whatever it makes is the same at every replay of a recording."""

    team: str
    columns: tuple[str, str]

    @property
    def tracker(self) -> Tracker:
        """Who is under test."""

    def new_ticket(self, title: str, description: str = "") -> str:
        """A ticket in the first column; returns its id."""

    def delete_ticket(self, ticket_id: str) -> None:
        """What a person does in the tracker's own pages."""

    def new_id(self) -> str:
        """A UUID of version 4 that nothing has yet."""

    def new_name(self) -> str:
        """A short name that nothing has yet."""
