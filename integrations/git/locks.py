"""One holder at a time for a repository's references and worktrees, on one machine. Called by `mirror`, `worktrees`."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, waiting for it. The kernel lets go when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def single_flight(path: Path, act: Callable[[], None]) -> None:
    """Call `act` under the lock at `path`, unless a call that began after this one was asked for has ended meanwhile.

    Holds between threads and processes: the beginning of the last good call is kept in the lock file, on the clock that
    all processes share, with the boot that it belongs to.
    """
    boot, asked = _BOOT.read_text().strip(), time.monotonic_ns()
    with locked(path):
        began = path.read_text().split()
        if len(began) == 2 and began[0] == boot and int(began[1]) >= asked:
            return
        now = time.monotonic_ns()
        act()
        path.write_text(f"{boot} {now}")
