"""Finds content that a commit refers to and that its work tree lacks: submodules and files of Git LFS."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from integrations.values import CommitSha

MOST = 20
_SUBMODULE = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)
_LFS = re.compile(r"^\s*([^\s#]\S*)\s.*\bfilter=lfs\b", re.MULTILINE)
_POINTER = b"version https://git-lfs.github.com/spec/"


def find_unfetched(mirror: Mirror, sha: CommitSha, tree: Path) -> tuple[str, ...]:
    """Paths of submodules that are empty in `tree`, then patterns of Git LFS files that are pointers there."""
    return (*_find_submodules(mirror, sha, tree), *_find_lfs_patterns(mirror, sha, tree))


def _find_submodules(mirror: Mirror, sha: CommitSha, tree: Path) -> list[str]:
    paths: list[str] = _SUBMODULE.findall(_read(mirror, sha, ".gitmodules"))[:MOST]
    return [path for path in paths if not {"", ".."} & set(path.split("/")) and _is_empty(tree / path)]


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return True


def _find_lfs_patterns(mirror: Mirror, sha: CommitSha, tree: Path) -> list[str]:
    patterns = _LFS.findall(_read(mirror, sha, ".gitattributes"))[:MOST]
    files = mirror.files(sha) if patterns else []
    return [pattern for pattern in patterns if any(map(_is_pointer, _list_matches(pattern, files, tree)))]


def _list_matches(pattern: str, files: list[str], tree: Path) -> Iterator[Path]:
    """The first files that the pattern of .gitattributes means."""
    names = (path for path in files if fnmatch(path if "/" in pattern else path.rpartition("/")[2], pattern))
    return (tree / name for name in islice(names, MOST))


def _is_pointer(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # setup commands can have replaced it
        try:
            return os.read(fd, len(_POINTER)) == _POINTER
        finally:
            os.close(fd)
    except OSError:
        return False


def _read(mirror: Mirror, sha: CommitSha, path: str) -> str:
    try:
        return mirror.read(sha, path) or ""
    except Rejected:  # too large, or not text
        return ""
