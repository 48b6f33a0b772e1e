"""Verifies the audit journal and reads it. Called by the command line."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.runtime.audit import ORIGIN, Head, digest_of, list_segments, read_segment

SEARCHED_SEGMENTS = 8
"""Newest segments in which a client's request is searched: 32 MB."""


@dataclass(frozen=True)
class Report:
    """Result of a check. `problem` is a sentence that names the first bad place, empty for a sound chain; `notes` are
    limits of the check. `first` and `head` are the oldest and the newest line."""

    lines: int = 0
    first: int = 0
    head: Head = Head()  # noqa: RUF009 - frozen
    problem: str = ""
    notes: tuple[str, ...] = ()


def verify_chain(folder: Path, known: Head | None) -> Report:
    """Check every line against the one before it, and the newest against `known`, the head in Redis."""
    check = _Check(known)
    try:
        for place, raw in _read_lines(folder):
            if problem := check.take(place, raw):
                return check.report(problem)
    except (OSError, EOFError, zlib.error) as error:
        return check.report(f"A segment in {folder} cannot be read ({error}).")
    return check.report(check.find_missing_ends())


def read_records(folder: Path, identifier: str) -> Iterator[dict[str, Any]]:
    """All readable lines about a ticket, the oldest first."""
    for _, raw in _read_lines(folder):
        record = _parse(raw)
        if record and record.get("ticket") == identifier:
            yield record


def read_newest_records(folder: Path, identifier: str, most: int, before: int = 0) -> list[dict[str, Any]]:
    """The newest readable lines about a ticket with a number below `before`, at most `most`, the newest first. Searches
    the newest segments only."""
    found: list[dict[str, Any]] = []
    name = json.dumps(identifier).encode()
    for file in reversed(list_segments(folder)[-SEARCHED_SEGMENTS:]):
        lines = (line for line in reversed(read_segment(file).splitlines()) if name in line)
        for record in filter(None, map(_parse, lines)):
            if record.get("ticket") == identifier and (not before or record["n"] < before):
                found.append(record)
                if len(found) == most:
                    return found
    return found


def _read_lines(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Place and bytes of each line, with the end of the line if it has one."""
    for file in list_segments(folder):
        for number, raw in enumerate(read_segment(file).splitlines(keepends=True), 1):
            yield f"line {number} of {file.name}", raw


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(raw)
    except ValueError:
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("n"), int) and isinstance(record.get("prev"), str)
    return record if is_record else None


class _Check:
    """The state of a check after some lines."""

    def __init__(self, known: Head | None) -> None:
        self._known = known
        self._count, self._first, self._origin = 0, 0, ORIGIN
        self._last, self._last_place, self._torn = Head(), "", ""
        self._deleted: set[Head] = set()

    def take(self, place: str, raw: bytes) -> str:
        """Check one line; returns the problem."""
        if self._torn:
            return f"{self._torn} is not complete, and other lines follow it."
        if not raw.endswith(b"\n"):
            self._torn = place.capitalize()
            return ""
        record = _parse(raw)
        if record is None:
            return f"{place.capitalize()} is not a line of the journal: it was changed or inserted."
        number = record["n"]
        if not self._count:
            self._first, self._origin = number, record["prev"]
        elif number != self._last.number + 1:
            return (
                f"{place.capitalize()} has number {number}, but {self._last.number + 1} was expected: lines were "
                "removed, inserted or reordered here."
            )
        elif record["prev"] != self._last.digest:
            return (
                f"{self._last_place.capitalize()} (number {self._last.number}) does not have the hash that number "
                f"{number} recorded: one of the two was changed, or another line was inserted in its place."
            )
        if record.get("kind") == "retention":
            self._deleted.add(Head(record.get("through", 0), record.get("digest", "")))
        self._count, self._last, self._last_place = self._count + 1, Head(number, digest_of(raw)), place
        if self._known and self._known.number == number and self._known.digest != self._last.digest:
            return f"{place.capitalize()} (number {number}) does not have the hash that Redis has: it was changed."
        return ""

    def find_missing_ends(self) -> str:
        """The problem at the beginning or the end of a chain whose lines fit."""
        is_whole = self._first == 1 and self._origin == ORIGIN
        if self._count and not is_whole and Head(self._first - 1, self._origin) not in self._deleted:
            return (
                f"The lines before number {self._first} are missing, and the journal has no record of their deletion."
            )
        if self._known and self._known.number > self._last.number:
            return (
                f"The newest lines are missing: the journal ends with number {self._last.number}, but Redis knows "
                f"number {self._known.number}."
            )
        return ""

    def report(self, problem: str) -> Report:
        """The result so far."""
        notes = [f"{self._torn} is not complete; a process was killed while it wrote."] if self._torn else []
        if self._known is None:
            notes.append("Redis has no head of this chain, so a cut at its end cannot be found.")
        if self._first > 1:
            notes.append(f"Lines before number {self._first} were deleted by the retention limit.")
        return Report(self._count, self._first, self._last, problem, () if problem else tuple(notes))
