"""Workspaces of tests: the merged view of their layers, and one without a repository."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from integrations.git.workspace import Workspace


def create_plain(folder: Path) -> Workspace:
    """A workspace without a repository below `folder`; its base tree has only the `.git` file."""
    made = Workspace(folder / "runs" / "1", folder / "base" / "tree", folder / "m.git" / "objects", "", "base")
    for path in (made.lower, made.objects, *made.writable_folders, made.scratch, made.git / "hooks"):
        path.mkdir(parents=True)
    (made.lower / ".git").write_text("gitdir: x\n")
    return made


def wait_until_empty(trash: Path) -> None:
    """Wait for the deletion in the background."""
    deadline = time.monotonic() + 30
    while any(trash.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def find_file(workspace: Workspace, path: str) -> Path:
    """The file of the layer in which the work tree has `path`."""
    upper = workspace.upper / path
    return upper if os.path.lexists(upper) else workspace.lower / path


def list_files(workspace: Workspace) -> dict[str, bytes]:
    """Path and content, or target, of each file in the work tree, without `.git`."""
    names = {name for layer in (workspace.lower, workspace.upper) for name in _walk(layer, "")}
    files = {name: find_file(workspace, name) for name in sorted(names - {".git"})}
    return {
        name: os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
        for name, file in files.items()
        if not any(_hides(workspace.upper / part) for part in (name, *map(str, Path(name).parents)))
    }


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name


def _hides(path: Path) -> bool:
    return os.path.lexists(path) and stat.S_ISCHR(path.lstat().st_mode)
