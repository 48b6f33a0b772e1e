"""The board of the tracker contract on Jot."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.integrations.trackers.board import Board
from tests.providers.jot.tracker import COLUMNS, TEAM, US, Jot, create


class JotBoard:
    """One file."""

    team, columns = TEAM, (COLUMNS[0], COLUMNS[1])

    def __init__(self, file: Path) -> None:
        create(file, "token")
        self.tracker = Jot(file, "token")

    def new_ticket(self, title: str, description: str = "") -> str:
        return self.tracker.write(self.new_id(), title, description, US)

    def delete_ticket(self, ticket_id: str) -> None:
        self.tracker.trash(ticket_id)

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def new_name(self) -> str:
        return f"label-{self.new_id()[:8]}"


@contextmanager
def _open(test: str) -> Iterator[Board]:
    with tempfile.TemporaryDirectory() as folder:
        yield JotBoard(Path(folder) / "board.json")


@contextmanager
def _boards() -> Iterator[Callable[[str], AbstractContextManager[Board]]]:
    yield _open


BOARDS = {"jot": _boards}
