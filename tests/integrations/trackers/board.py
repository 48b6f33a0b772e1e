"""A board on which the tracker contract is tested."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from integrations.ports.tracker import Tracker


class Board(Protocol):
    """A board with one team. Its ids and names are the same at every replay of a cassette."""

    team: str
    columns: tuple[str, str]

    @property
    def tracker(self) -> Tracker:
        """The tracker under test."""

    def new_ticket(self, title: str, description: str = "") -> str:
        """Create a ticket in the first column; returns its id."""

    def delete_ticket(self, ticket_id: str) -> None:
        """Delete the ticket as a person does in the tracker's own pages."""

    def new_id(self) -> str:
        """A new UUID of version 4."""

    def new_name(self) -> str:
        """A new short name."""


OpenBoard = Callable[[str], AbstractContextManager[Board]]
"""Opens the board for the test of this name."""
