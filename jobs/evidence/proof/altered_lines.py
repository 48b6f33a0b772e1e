"""A file with altered lines, and which lines a change adds. Called by the modules that alter files. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Falsified:
    """A test or a file of test data with false expectations, and the number of altered places."""

    text: str
    places: int


def find_added(before: str | None, after: str) -> set[int]:
    """The numbers of the lines, from 1, that `before` does not have; a moved line does not count."""
    lines = after.split("\n")
    if not before:
        return set(range(1, len(lines) + 1))
    known = Counter(before.split("\n"))
    added = set()
    for number, line in enumerate(lines, 1):
        if known[line] > 0:
            known[line] -= 1
        else:
            added.add(number)
    return added
