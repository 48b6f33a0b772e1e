"""The state of the disk below a folder, and errors of a machine that has no space, inodes, files or memory left.

Called by jobs before they write, by the sandbox while a command runs, and by `/readyz` and the dashboard.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from integrations.errors import Paused

NEARLY_FULL, FULL = 0.90, 0.97
"""Used shares of the disk from which no new run starts, and from which only the web process and Redis write."""
RUNS_SHARE = 0.96
"""Share up to which one command can fill the disk: it is killed before `FULL` pauses all runs."""
POLL_SECONDS = 15.0
_PROBE = bytes(4096)
_FILE_LIMITS = frozenset({errno.EMFILE, errno.ENFILE})
_EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, *_FILE_LIMITS})

Level = Literal["fine", "nearly full", "full"]


@dataclass(frozen=True)
class Disk:
    """The file system of `folder`. `space` and `inodes` are the used shares, from 0 to 1, of those that this user can
    use; `failure` is why a small write failed."""

    folder: Path
    space: float = 0.0
    inodes: float = 0.0
    failure: str = ""

    @property
    def level(self) -> Level:
        """How much work the disk permits."""
        used = 1.0 if self.failure else max(self.space, self.inodes)
        return "full" if used >= FULL else "nearly full" if used >= NEARLY_FULL else "fine"

    @property
    def sentence(self) -> str:
        """Folder, cause, paused work and fix; empty while the disk is fine."""
        if self.level == "fine":
            return ""
        full = self.level == "full"
        paused = "runs, fetches and the journal are paused" if full else "no new run starts"
        end = f"it is below {(FULL if full else NEARLY_FULL) * 100:.0f} %"
        if self.failure and max(self.space, self.inodes) < FULL:
            cause, end = f"cannot be written to ({self.failure})", "it can"
            fix = "Make it writable: check its mount options, owner, quota and hardware"
        elif self.space >= self.inodes:
            cause = f"is {int(self.space * 100)} % full"
            fix = "Free space there or enlarge the disk"
        else:
            cause = f"has {int(self.inodes * 100)} % of its inodes in use"
            fix = "Delete files there or create the file system with more inodes"
        return f"The disk of {self.folder} {cause}: {paused} until {end}. {fix}; the work then continues by itself."


def read_disk(folder: Path) -> Disk:
    """Return the state of the file system of `folder`, or of its closest parent that exists. Never raises `OSError`."""
    try:
        existing = find_existing(folder)
        state = os.statvfs(existing)
        space = _used_share(state.f_blocks, state.f_bfree, state.f_bavail)
        inodes = _used_share(state.f_files, state.f_ffree, state.f_favail)
    except OSError as error:
        return Disk(folder, failure="" if error.errno in _FILE_LIMITS else str(error.strerror))
    return Disk(folder, space, inodes, _try_to_write(existing))


def find_existing(folder: Path) -> Path:
    """Return the folder, or its closest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _used_share(total: int, free: int, available: int) -> float:
    """As `df` computes it: without the part that is reserved for root. 0 where the file system has no limit."""
    used = total - free
    return used / (used + available) if used > 0 and available >= 0 else 0.0


def _try_to_write(folder: Path) -> str:
    """Why a small write fails, for quotas, read-only mounts and broken disks, which statvfs does not show."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            return "" if probe.write(_PROBE) == len(_PROBE) else os.strerror(errno.ENOSPC)
    except OSError as error:
        return "" if error.errno in _FILE_LIMITS else str(error.strerror)


class DiskMonitor:
    """`read_disk` for callers that poll: reads again after 0.2 s. Shared by threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read_at, self._disk = -1.0, Disk(folder)

    def read(self) -> Disk:
        """Return the state of the disk, at most 0.2 s old."""
        now = time.monotonic()
        if now - self._read_at > 0.2 or self._read_at < 0:
            self._disk, self._read_at = read_disk(self.folder), now
        return self._disk

    def is_full(self) -> bool:
        """Whether only the web process and Redis can write."""
        return self.read().level == "full"


def compute_allowance(folder: Path) -> int:
    """Return the bytes that one command can write below `folder` until the disk is `RUNS_SHARE` full, at least 1 % of
    the disk."""
    state = os.statvfs(find_existing(folder))
    total = state.f_blocks - state.f_bfree + state.f_bavail
    room = state.f_bavail - int(total * (1 - RUNS_SHARE))
    return max(room, total // 100) * state.f_frsize


def compute_inode_allowance(folder: Path) -> int:
    """Return the files that one command can create below `folder` until `RUNS_SHARE` of the inodes are used, at least
    1 % of them."""
    state = os.statvfs(folder)
    total = state.f_files - state.f_ffree + state.f_favail
    return max(state.f_favail - int(total * (1 - RUNS_SHARE)), total // 100) if state.f_files else sys.maxsize


def walk(folder: str, without: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Path and status of every entry below `folder`, except of the path `without`; does not follow links and skips
    folders that it cannot read."""
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.path == without:
                        continue
                    yield entry.path, entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except (FileNotFoundError, PermissionError):
            continue


def is_exhausted(error: Exception) -> bool:
    """Whether this error, or one in its message, means that space, inodes, open files or memory are used up, or that
    the disk is read-only or broken: a fault of the machine, never of the work."""
    numbers = re.findall(r"\[Errno (\d+)\]", str(error))  # `shutil.Error` has no errno, but a list of messages
    found = {getattr(error, "errno", None), *map(int, numbers)}
    return isinstance(error, OSError) and (not _EXHAUSTED.isdisjoint(found) or "usable temporary dir" in str(error))


def pause_when_exhausted(error: Exception) -> Paused | None:
    """Return the error to raise instead, when the machine is the cause: work waits for it and uses no attempt."""
    if not is_exhausted(error):
        return None
    reason = re.sub(r"\[Errno \d+\] ", "", str(error))
    sentence = (
        f"the machine that Loopline runs on is out of disk, files or memory ({reason}); free or raise what is named"
    )
    return Paused(sentence, POLL_SECONDS)
