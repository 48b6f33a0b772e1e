"""Reads unified diffs. Pure. Used by the routes for `/files` and inline comments, and by the pages for the diff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
STATUSES = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}

Side = Literal["LEFT", "RIGHT"]


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
    """One changed file. `sha` is the blob after the change, or before it for a removed file."""

    path: str
    status: str
    sha: str
    previous_path: str | None = None
    lines: list[Line] = field(default_factory=list)

    @property
    def additions(self) -> int:
        return sum(line.mark == "+" for line in self.lines)

    @property
    def deletions(self) -> int:
        return sum(line.mark == "-" for line in self.lines)

    @property
    def patch(self) -> str:
        """The hunks as text, without the file's header; '' for binary files and pure renames."""
        return "\n".join(written(line) for line in self.lines)

    def find(self, line: int, side: str) -> Line | None:
        """The diff's line with this number on this side, None where the diff does not show it."""
        for one in self.lines:
            if line == (one.old if side == "LEFT" else one.new) and one.mark in ("-" if side == "LEFT" else "+", " "):
                return one
        return None

    def at(self, position: int) -> Line | None:
        """The line at GitHub's position."""
        return next((one for one in self.lines if one.position == position and one.mark != "@"), None)

    def hunk_until(self, last: Line) -> str:
        """The hunk's text from its header to `last`, as `diff_hunk` has it."""
        upto = self.lines[: self.lines.index(last) + 1]
        start = max(at for at, line in enumerate(upto) if line.mark == "@")
        return "\n".join(written(line) for line in upto[start:])


def written(line: Line) -> str:
    """The line as the diff has it."""
    return line.text if line.mark == "@" else line.mark + line.text


def read_diff(raw: str, unified: str) -> list[FileDiff]:
    """The changed files: names and blobs from `git diff --raw -z`, lines from `git diff`, which list them alike."""
    files = list(_read_raw(raw))
    bodies = iter(re.split(r"^diff --git .*\n", unified, flags=re.MULTILINE)[1:])
    for file in files:
        file.lines = list(_read_hunks(next(bodies)))
        if file.status == "changed":  # a file that became a link, or back, has two bodies: one goes, one comes
            file.lines += _read_hunks(next(bodies))
    return files


def _read_raw(raw: str) -> Iterator[FileDiff]:
    fields = iter(raw.split("\0"))
    for head in fields:
        if not head:
            return
        _, _, before, after, status = head.split(" ")
        path = next(fields)
        renamed = next(fields) if status[0] in "RC" else None
        sha = before if status == "D" else after
        yield FileDiff(renamed or path, STATUSES.get(status[0], "changed"), sha, path if renamed else None)


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
