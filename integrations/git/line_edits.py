"""Replaces lines of files in a commit, for the suggestions of a review. Called by `mirror` only.

Works on git objects, never on a worktree. Equal input gives equal objects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.git.changes import MAX_READ, Side
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import FILE, PROGRAM

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
"""A line as git counts them, with its ending."""


@dataclass(frozen=True)
class LineEdit:
    """The lines `first` to `last` of a file, counted from 1, are replaced with `text`; an empty one deletes them."""

    path: str
    first: int
    last: int
    text: str


def apply_to_text(content: str, edits: Sequence[LineEdit]) -> tuple[str, tuple[LineEdit, ...]]:
    """The content with the edits that apply, and these. Each counts lines of the original; of two that overlap the
    first one applies. The file keeps its line endings."""
    lines = _LINE.findall(content)
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    applied: list[LineEdit] = []
    for edit in edits:
        overlaps = any(edit.first <= other.last and other.first <= edit.last for other in applied)
        if 1 <= edit.first <= edit.last <= len(lines) and not overlaps:
            applied.append(edit)
    for edit in sorted(applied, key=lambda one: one.first, reverse=True):
        new = [line.rstrip("\r\n") + ending for line in _LINE.findall(edit.text)]
        if new and edit.last == len(lines) and not lines[-1].endswith("\n"):
            new[-1] = new[-1].removesuffix(ending)
        lines[edit.first - 1 : edit.last] = new
    return "".join(lines), tuple(applied)


def write_edits(
    repository: HostRepository, onto: str, edits: Sequence[LineEdit]
) -> tuple[dict[str, Side | None], tuple[LineEdit, ...]]:
    """The changed files of the commit by path, written as blobs, and the edits that apply. An edit that changes nothing
    counts as applied; an unknown path, a link, a file above 1 MiB or one that is not UTF-8 text does not apply."""
    sides: dict[str, Side | None] = {}
    applied: list[LineEdit] = []
    for path in dict.fromkeys(edit.path for edit in edits):
        mode, content = _read_text(repository, onto, path)
        if content is None:
            continue
        changed, done = apply_to_text(content, [edit for edit in edits if edit.path == path])
        applied += done
        if changed != content:
            sides[path] = write_blob(repository, changed, mode)
    return sides, tuple(edit for edit in edits if edit in applied)


def write_blob(repository: HostRepository, text: str, mode: str = FILE) -> Side:
    """The file with this text, as a blob."""
    raw = text.encode()
    sha = repository.git("hash-object", "-w", "--stdin", stdin=raw).decode().strip()
    return Side(mode, sha, len(raw), text)


def _read_text(repository: HostRepository, sha: str, path: str) -> tuple[str, str | None]:
    """Mode and text of a regular file, None for anything else."""
    if not path or {"", ".", "..", ".git"} & set(path.split("/")):
        return "", None
    listed = repository.git("ls-tree", "-z", "-l", "--full-tree", sha, "--", path)
    mode, kind, blob, size = (listed.split(b"\t", 1)[0].decode().split() + [""] * 4)[:4]
    if kind != "blob" or mode not in (FILE, PROGRAM) or not size.isdigit() or int(size) > MAX_READ:
        return mode, None
    content = repository.git("cat-file", "blob", blob)
    try:
        return mode, None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return mode, None
