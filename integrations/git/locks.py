"""File locks for a repository's references and worktrees, on one machine. Called by `mirror` and `worktrees`."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file at `path`; blocks. The kernel releases it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def single_flight(path: Path, act: Callable[[], None]) -> None:
    """Call `act` under the lock at `path`, unless a call that began after this request has succeeded meanwhile.

    Works across threads and processes: the lock file stores the start of the last successful call, on the monotonic
    clock that all processes share, and the boot id to which that clock belongs.
    """
    boot, requested = _BOOT.read_text().strip(), time.monotonic_ns()
    with file_lock(path):
        began = path.read_text().split()
        if len(began) == 2 and began[0] == boot and int(began[1]) >= requested:
            return
        now = time.monotonic_ns()
        act()
        path.write_text(f"{boot} {now}")
