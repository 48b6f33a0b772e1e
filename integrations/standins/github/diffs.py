"""Parses unified diffs. Pure. Used by the routes for inline comments, and by the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
STATUSES = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}


@dataclass(frozen=True)
class Line:
    """One line of a hunk. `mark` is '+', '-', ' ', '\\' or '@' (the header); `position` as GitHub counts it."""

    mark: str
    text: str
    old: int | None
    new: int | None
    position: int


@dataclass
class FileDiff:
    """One changed file."""

    path: str
    status: str
    previous_path: str | None = None
    lines: list[Line] = field(default_factory=list)

    @property
    def additions(self) -> int:
        return sum(line.mark == "+" for line in self.lines)

    @property
    def deletions(self) -> int:
        return sum(line.mark == "-" for line in self.lines)

    def find(self, line: int) -> Line | None:
        """The line with this number after the change, None if the diff does not show it."""
        return next((one for one in self.lines if one.new == line and one.mark in "+ "), None)

    def hunk_until(self, last: Line) -> str:
        """The hunk's text from its header to `last`, as in `diff_hunk`."""
        upto = self.lines[: self.lines.index(last) + 1]
        start = max(at for at, line in enumerate(upto) if line.mark == "@")
        return "\n".join(line.text if line.mark == "@" else line.mark + line.text for line in upto[start:])


def read_diff(raw: str, unified: str) -> list[FileDiff]:
    """The changed files: names from `git diff --raw -z`, lines from `git diff`, which list them in the same order."""
    files = list(_read_raw(raw))
    bodies = iter(re.split(r"^diff --git .*\n", unified, flags=re.MULTILINE)[1:])
    for file in files:
        file.lines = list(_read_hunks(next(bodies)))
        if file.status == "changed":  # a file that becomes a link has two bodies
            file.lines += _read_hunks(next(bodies))
    return files


def _read_raw(raw: str) -> Iterator[FileDiff]:
    fields = iter(raw.split("\0"))
    for head in fields:
        if not head:
            return
        status = head.split(" ")[4][0]
        path = next(fields)
        renamed = next(fields) if status in "RC" else None
        yield FileDiff(renamed or path, STATUSES.get(status, "changed"), path if renamed else None)


def _read_hunks(body: str) -> Iterator[Line]:
    old = new = 0
    position = -1
    for text in body.split("\n"):
        header = HUNK.match(text)
        if position < 0 and not header:
            continue
        if not text:
            continue
        position += 1
        if header:
            old, new = int(header[1]), int(header[2])
            yield Line("@", text, None, None, position)
            continue
        mark = text[0]
        yield Line(mark, text[1:], old if mark in "- " else None, new if mark in "+ " else None, position)
        old += mark in "- "
        new += mark in "+ "
