"""Values computed for a pull request: its changes, cached per pair of commits, and the combined state of its checks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from integrations.standins.github.bare import BareRepository, Commit
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import CheckRun, Pull, Review, Status, Store

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


@dataclass(frozen=True)
class Changes:
    """The difference between the merge base and the head."""

    commits: tuple[Commit, ...]
    files: tuple[FileDiff, ...]

    @property
    def additions(self) -> int:
        return sum(file.additions for file in self.files)

    @property
    def deletions(self) -> int:
        return sum(file.deletions for file in self.files)

    def file(self, path: str) -> FileDiff | None:
        """The changed file with this path."""
        return next((file for file in self.files if file.path == path), None)


def changes(repository: Repository, pull: Pull) -> Changes:
    """The changes of the pull request."""
    return _changes(repository.git.path, pull.base_sha, pull.head_sha)


@lru_cache(maxsize=256)
def _changes(path: Path, base: str, head: str) -> Changes:
    git = BareRepository(path)
    start = git.merge_base(base, head) or base
    files = read_diff(git.raw_diff(start, head), git.diff(start, head))
    return Changes(tuple(git.commits(start, head)), tuple(files))


def mergeable(repository: Repository, pull: Pull) -> bool | None:
    """Whether the head merges into the current base branch; None for a closed one."""
    base = repository.git.head(pull.base)
    if pull.state != "open" or base is None:
        return None
    return _mergeable(repository.git.path, base, pull.head_sha)


@lru_cache(maxsize=1024)
def _mergeable(path: Path, base: str, head: str) -> bool:
    return BareRepository(path).merged_tree(base, head) is not None


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


DECISIVE = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
"""States of reviews that a later comment does not supersede."""
Combined = Literal["none", "pending", "success", "failure"]


def newest_statuses(store: Store, repository: str, sha: str) -> list[Status]:
    """The newest status of each context, newest first."""
    newest = {one.context: one for one in store.all(Status, repository=repository, sha=sha)}
    return sorted(newest.values(), key=lambda one: -one.id)


def newest_check_runs(store: Store, repository: str, sha: str) -> list[CheckRun]:
    """The newest check run of each name and App, newest first."""
    newest = {(one.name, one.app_id): one for one in store.all(CheckRun, repository=repository, sha=sha)}
    return sorted(newest.values(), key=lambda one: -one.id)


def combined_state(store: Store, repository: str, sha: str) -> Combined:
    """Statuses and check runs together, as on the page of a pull request; 'none' without any."""
    states = {one.state for one in newest_statuses(store, repository, sha)}
    states |= {run.conclusion or "pending" for run in newest_check_runs(store, repository, sha)}
    if states & {"error", "failure"}:
        return "failure"
    if "pending" in states:
        return "pending"
    return "success" if states else "none"


def review_decisions(reviews: Sequence[Review]) -> dict[str, str]:
    """The decision of each reviewer; a later comment does not revoke an approval or a request for changes."""
    judged = [one for one in reviews if one.state in DECISIVE]
    return {one.author: one.state for one in judged}
