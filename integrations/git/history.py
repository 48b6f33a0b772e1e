"""The commits of a branch with the size of their changes. Called by `mirror` only.

Reads the first parents, so a merged branch is one commit with all of its changes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from integrations.git.repository import HostRepository
from integrations.texts import cut
from integrations.values import NO_COMMIT, CommitSha

_FORMAT = "%H%x00%P%x00%aI%x00%an%x00%ae%x00%B%x00"
_FIELDS = 6
_ROW = re.compile(r"\s*(?:(\d+|-)\t(\d+|-)\t(.+))?", re.DOTALL)
"""'3<tab>1<tab>path', or the empty field between two commits."""
MOST_FILES, MESSAGE = 200, 4_000


@dataclass(frozen=True)
class ListedCommit:
    """A commit. `at` is the author's time in ISO 8601; `files` are paths with added and removed lines, at most 200."""

    sha: CommitSha
    at: str
    author: str
    email: str
    message: str
    parent: CommitSha = NO_COMMIT
    """The first one; `NO_COMMIT` of a root."""
    files: tuple[tuple[str, int, int], ...] = ()

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


def read_history(repository: HostRepository, sha: str, since: float, most: int, path: str = "") -> list[ListedCommit]:
    """The newest `most` commits of `sha` that were committed after `since` (Unix seconds), below `path`."""
    bounds = (f"--max-count={most}", *([f"--since=@{int(since)}"] if since else []))
    options = ("--first-parent", "-m", "--numstat", "-z", "--no-renames", "--no-show-signature")
    below = ["--", path] if path else ["--"]
    raw = repository.git("log", *options, *bounds, f"--format={_FORMAT}", sha, *below)
    return list(_parse(raw.decode(errors="replace")))


def read_author(repository: HostRepository, sha: str) -> str:
    """The name of the commit's author."""
    shown = repository.git("show", "--no-patch", "--no-show-signature", "--format=%an", sha)
    return " ".join(shown.decode(errors="replace").split())[:100]


def _parse(text: str) -> Iterator[ListedCommit]:
    """Six fields per commit, then one per file. None of them can contain the separator."""
    fields = deque(text.split("\0"))
    while len(fields) > _FIELDS:
        sha, parents, at, author, email, message = (fields.popleft() for _ in range(_FIELDS))
        files = []
        while fields and (row := _ROW.fullmatch(fields[0])):
            fields.popleft()
            if row[3]:
                files.append((row[3], _count(row[1]), _count(row[2])))
        yield ListedCommit(
            sha=CommitSha(sha.strip()),
            parent=CommitSha(parents.partition(" ")[0]),
            at=at,
            author=cut(" ".join(author.split()), 100),
            email=email,
            message=cut(message.strip(), MESSAGE),
            files=tuple(files[:MOST_FILES]),
        )


def _count(lines: str) -> int:
    """The lines of a text file; a binary one has a hyphen."""
    return int(lines) if lines.isdecimal() else 0
