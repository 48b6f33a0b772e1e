"""The changes of a pull request, computed by git and cached per pair of commits. Used by shapes, routes and pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from integrations.standins.github.bare import BareRepository, Commit
from integrations.standins.github.diffs import FileDiff, read_diff
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import Pull


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
