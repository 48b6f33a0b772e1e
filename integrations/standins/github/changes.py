"""What a pull request changes, asked from git and remembered per pair of commits. Used by shapes, routes and pages."""

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
    """From where the branches parted to the head."""

    start: str
    commits: tuple[Commit, ...]
    files: tuple[FileDiff, ...]
    unified: str

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
    """What the pull request changes; of a merged one, what it changed."""
    return _changes(repository.git.path, pull.base_sha, pull.head_sha)


@lru_cache(maxsize=256)
def _changes(path: Path, base: str, head: str) -> Changes:
    git = BareRepository(path)
    start = git.merge_base(base, head) or base
    unified = git.diff(start, head)
    files = read_diff(git.raw_diff(start, head), unified)
    return Changes(start, tuple(git.commits(start, head)), tuple(files), unified)


def mergeable(repository: Repository, pull: Pull) -> bool | None:
    """Whether the head merges into the base branch as it is now; None when that cannot be asked any more."""
    base = repository.git.head(pull.base)
    if pull.state != "open" or base is None:
        return None
    return _mergeable(repository.git.path, base, pull.head_sha)


@lru_cache(maxsize=1024)
def _mergeable(path: Path, base: str, head: str) -> bool:
    return BareRepository(path).merged_tree(base, head) is not None
