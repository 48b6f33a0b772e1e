"""Bounds of one paginated listing. Used by the clients of tracker and code host.

A provider can answer with pages without end, each with a fresh cursor. The bounds fit a workspace with tens of
thousands of finished tickets and the largest pull requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from integrations.errors import Rejected

MAX_PAGES = 1_000
MAX_ITEMS = 50_000
MAX_EMPTY_PAGES = 20  # in a row; a filtered listing can have a few
MAX_SECONDS = 600.0


class PageBounds:
    """Counts the pages of one listing; `name` is its operation, `start` the first cursor or URL."""

    def __init__(self, name: str, start: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock, self._began = name, clock, clock()
        self._cursors, self._contents = {start}, set[int]()
        self._pages = self._items = self._empty = 0

    def check(self, items: Sequence[object], following: str) -> None:
        """Count a page that names another one, `following`. Raises `Rejected` when the listing does not end."""
        content = hash(repr(items))
        self._pages, self._items = self._pages + 1, self._items + len(items)
        self._empty = 0 if items else self._empty + 1
        problems = {
            "repeats its pagination cursor": not following or following in self._cursors,
            "repeats a page": bool(items) and content in self._contents,
            f"has {MAX_EMPTY_PAGES} empty pages in a row": self._empty >= MAX_EMPTY_PAGES,
            f"has more than {MAX_PAGES:,} pages": self._pages >= MAX_PAGES,
            f"has more than {MAX_ITEMS:,} items": self._items >= MAX_ITEMS,
            f"takes longer than {MAX_SECONDS:.0f} s": self._clock() - self._began > MAX_SECONDS,
        }
        for problem, found in problems.items():
            if found:
                raise Rejected(f"{self._name} {problem}, so Loopline stopped reading")
        self._cursors.add(following)
        self._contents.add(content)
