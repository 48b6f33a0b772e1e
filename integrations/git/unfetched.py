"""Finds content that a checkout of a commit lacks: submodules and files of Git LFS. Called by `mirror`."""

from __future__ import annotations

import os

from integrations.git.lfs import list_large_files, list_pointers
from integrations.git.repository import HostRepository
from integrations.git.submodules import list_gitlinks


def find_unfetched(repository: HostRepository, sha: str, *, submodules: bool, lfs: bool) -> tuple[list[str], list[str]]:
    """Paths of the commit's submodules, and of the files whose content is in Git LFS, as far as a base tree does not
    have them with these switches."""
    links = [] if submodules else list(list_gitlinks(repository, sha))
    written = list_large_files(repository, sha) if lfs else {}
    files = [path for path in list_pointers(repository, sha) if path not in written]
    return [_show(path) for path in links], [_show(path) for path in files]


def _show(path: str) -> str:
    """The path without bytes that are not UTF-8."""
    return os.fsencode(path).decode(errors="replace")
