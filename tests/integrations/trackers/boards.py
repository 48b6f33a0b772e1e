"""Every board that the tracker contract runs on: `BOARDS` of each module of the tests whose name ends in `_boards`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path

from tests.integrations.trackers.board import OpenBoard

_TESTS = Path(__file__).parents[2]


def find_boards() -> Mapping[str, Callable[[], AbstractContextManager[OpenBoard]]]:
    """By the name that stands in the tests' ids."""
    modules = (path.relative_to(_TESTS.parent).with_suffix("") for path in sorted(_TESTS.rglob("*_boards.py")))
    return {name: board for path in modules for name, board in import_module(".".join(path.parts)).BOARDS.items()}


BOARDS = find_boards()
