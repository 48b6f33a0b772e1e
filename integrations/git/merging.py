"""Merges two commits in the mirror, without a work tree. Called by `mirror` only.

`git merge-tree` writes objects and nothing else. Merge drivers, filters and hooks are configured in git's settings, and
those of the mirror have none: a `.gitattributes` of the repository can name a driver, but not its command.

Source: https://git-scm.com/docs/git-merge-tree
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from integrations.errors import Rejected
from integrations.git.quarantine import find_pointers
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import FILE, GITLINK, PROGRAM
from integrations.values import CommitSha, MergeConflict

MOST_CONFLICTS = 50
"""Conflicts that are listed; all are in the tree."""
_MOST_COMMITS = 10
_LONGEST_SENTENCE = 300


@dataclass(frozen=True)
class Merge:
    """A merge commit of two others. With `conflicts` its tree has git's conflict markers, and it is not for a push;
    `commits` are those of the other side that changed these paths, as 'abc1234 author: subject', the newest first."""

    sha: CommitSha
    conflicts: tuple[MergeConflict, ...] = ()
    commits: tuple[str, ...] = ()


def merge_trees(repository: HostRepository, ours: str, theirs: str) -> tuple[str, tuple[MergeConflict, ...]]:
    """The tree of the merge, and the paths in conflict, sorted. Raises `Rejected` without a common ancestor.

    In a text file git marks both sides, with the commits as their names. Of any other kind of conflict the tree has one
    side, or both under two names, of which the second ends with `~` and the commit."""
    _, answer = repository.ask("merge-tree", "--write-tree", "-z", "--messages", ours, theirs)
    head, _, messages = answer.partition(b"\0\0")
    tree, *rows = head.split(b"\0")
    if len(tree) != len(ours):
        raise Rejected(f"{ours} and {theirs} of {repository.name} cannot be merged: git gave no tree")
    stages = defaultdict[str, list[tuple[str, str]]](list)
    for row in filter(None, rows):
        facts, _, path = row.partition(b"\t")
        mode, sha, _ = facts.decode().split()
        stages[os.fsdecode(path)].append((mode, sha))
    sentences = dict(_read_conflicts(messages.split(b"\0")))
    outside = _find_outside(repository, stages)
    paths = sorted({*stages, *sentences})
    found = (
        MergeConflict(
            path=path.encode(errors="replace").decode(),
            text=sentences.get(path, "both sides changed it")[:_LONGEST_SENTENCE],
            is_outside=path in outside,
        )
        for path in paths
    )
    return tree.decode(), tuple(found)[:MOST_CONFLICTS]


def _read_conflicts(fields: Sequence[bytes]) -> Iterator[tuple[str, str]]:
    """Path and sentence of each conflict; other messages are about merges that succeeded.

    A message is the number of its paths, the paths, its type and its sentence."""
    at = 0
    while at < len(fields) and fields[at].isdigit():
        paths = fields[at + 1 : at + 1 + int(fields[at])]
        kind, sentence = (part.decode(errors="replace") for part in fields[at + 1 + len(paths) : at + 3 + len(paths)])
        at += 3 + len(paths)
        if kind.startswith("CONFLICT") and paths:
            yield os.fsdecode(paths[0]), sentence.strip()


def _find_outside(repository: HostRepository, stages: dict[str, list[tuple[str, str]]]) -> set[str]:
    """The submodules, their list, and the files of Git LFS."""
    files = {sha for sides in stages.values() for mode, sha in sides if mode in (FILE, PROGRAM)}
    pointers = find_pointers(repository, files)
    return {
        path
        for path, sides in stages.items()
        if path.rsplit("/")[-1] == ".gitmodules" or any(mode == GITLINK or sha in pointers for mode, sha in sides)
    }


def list_causes(
    repository: HostRepository, ours: str, theirs: str, conflicts: Sequence[MergeConflict]
) -> tuple[str, ...]:
    """The commits of `theirs` that `ours` lacks and that changed these paths."""
    paths = [conflict.path for conflict in conflicts]
    options = (f"--max-count={_MOST_COMMITS}", "--no-show-signature", "--format=%h %an: %s")
    listed = repository.git("log", *options, f"{ours}..{theirs}", "--", *paths).decode(errors="replace")
    return tuple(line[:_LONGEST_SENTENCE] for line in listed.splitlines())
