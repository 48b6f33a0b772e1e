"""A checksum of an agent's files: equal files give an equal digest, committed or not.

Called by `jobs.roles.tools` after turns that may have changed files. Reads the upper layer on the host, as data, so it
costs nothing for files that did not change and starts no process.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable

from integrations.git.layer_walk import Change, LayerWalk, TooManyChanges, open_file
from integrations.git.workspace import Workspace

TIMEOUT = 30.0  # seconds
_CHUNK = 2**20
_SETTLED = 100_000_000  # nanoseconds; a younger change time can be equal after another write

_Key = tuple[int, int, int, int, int]


class WorkTreeDigest:
    """Digests of one work tree over time. Hashes the contents of a file once, until its status changes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._known: dict[_Key, str] = {}

    def compute(self, stopped: Callable[[], bool]) -> str | None:
        """The digest of all files that git does not ignore; None when that takes too long, or when `stopped`."""
        deadline, whole, used = time.monotonic() + TIMEOUT, hashlib.sha256(), dict[_Key, str]()

        def has_to_end() -> bool:
            return stopped() or time.monotonic() > deadline

        if stopped():
            return None
        try:
            for change in LayerWalk(self._workspace, with_ignored=False, stopped=has_to_end):
                new = self._describe(change.name, change.folder, change.state, used, has_to_end)
                if new != self._describe_old(change, used, has_to_end):
                    whole.update(b"%s\0%s\0" % (os.fsencode(change.path), new.encode()))
        except TooManyChanges:
            return None
        self._known = used
        return whole.hexdigest()

    def _describe_old(self, change: Change, used: dict[_Key, str], has_to_end: Callable[[], bool]) -> str:
        """The base tree's entry of the path, when it can be equal."""
        if change.below is None or change.state is None or change.is_repository:
            return ""
        try:
            old = os.stat(change.name, dir_fd=change.below, follow_symlinks=False)
        except FileNotFoundError:
            return ""
        if (old.st_size, stat.S_IFMT(old.st_mode)) != (change.state.st_size, stat.S_IFMT(change.state.st_mode)):
            return ""
        return self._describe(change.name, change.below, old, used, has_to_end)

    def _describe(
        self,
        name: str,
        folder: int,
        state: os.stat_result | None,
        used: dict[_Key, str],
        has_to_end: Callable[[], bool],
    ) -> str:
        """Kind and contents of an entry, as git distinguishes them."""
        if state is None:
            return "removed"
        if stat.S_ISDIR(state.st_mode):
            return "repository"
        key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        content = self._known.get(key) or used.get(key) or _hash_content(name, folder, state, has_to_end)
        if time.time_ns() - state.st_ctime_ns > _SETTLED:
            used[key] = content
        kind = "link" if stat.S_ISLNK(state.st_mode) else "program" if state.st_mode & 0o100 else "file"
        return f"{kind} {content}"


def _hash_content(name: str, folder: int, state: os.stat_result, has_to_end: Callable[[], bool]) -> str:
    """The SHA-256 of a file or of a link's target; empty when the entry cannot be read."""
    content = hashlib.sha256()
    if stat.S_ISLNK(state.st_mode):
        try:
            content.update(os.fsencode(os.readlink(name, dir_fd=folder)))
        except OSError:
            return ""
        return content.hexdigest()
    fd = open_file(name, folder)
    if fd is None:
        return ""
    with os.fdopen(fd, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            if has_to_end():
                raise TooManyChanges
            content.update(chunk)
    return content.hexdigest()
