"""Bounds the number of a sandbox's processes by the kernel where rlimits do not bind: when the launcher is root.

Called by `bubblewrap` for each command. RLIMIT_NPROC does not hold root back, whatever namespace the processes are in,
and a fork bomb may outrun a process that counts; a cgroup's `pids.max` is checked at each fork. Only version 1, below
our own group: in version 2 a group below ours cannot have a bound while we are in ours, and one elsewhere would leave
the memory and processor limits that the operator gave us.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_LEAVE_SECONDS = 5.0


def pids_folder(mountinfo: str, own: str) -> Path | None:
    """Our own group of the pids hierarchy; None where there is none. `mountinfo` and `own` are /proc/self/mountinfo and
    /proc/self/cgroup. Source: proc(5), cgroups(7)."""
    groups = [line.split(":", 2) for line in own.splitlines()]
    path = next((path for _, controllers, path in groups if "pids" in controllers.split(",")), None)
    for line in mountinfo.splitlines() if path else ():
        mount, _, kind = line.partition(" - ")
        root, point = mount.split()[3:5]
        if kind.startswith("cgroup ") and "pids" in kind.rsplit(" ", 1)[-1].split(","):
            return Path(point, (path or "").removeprefix(root.rstrip("/")).lstrip("/"))
    return None


@cache
def _usable() -> Path | None:
    """Where this process may make groups; None where it may not or need not."""
    if os.geteuid() != 0 or not Path("/proc/self/cgroup").exists():
        return None
    folder = pids_folder(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    if not folder or not os.access(folder, os.W_OK):
        return None
    sweep(folder)
    return folder


def sweep(folder: Path) -> None:
    """Remove the groups of launchers that were killed. A group that is not empty yet stays for the next one."""
    for group in folder.glob("loopline-*-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            with suppress(OSError):
                group.rmdir()


@contextmanager
def bounded(processes: int) -> Iterator[Path | None]:
    """A fresh group that holds at most `processes` tasks, as the file into which a process's number is written.

    None where the kernel enforces RLIMIT_NPROC on us anyway, or where no group can be made."""
    folder = _usable()
    if folder is None:
        yield None
        return
    group = folder / f"loopline-{os.getpid()}-{uuid.uuid4().hex}"
    group.mkdir()
    try:
        (group / "pids.max").write_text(str(processes))
        yield group / "cgroup.procs"
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """A group can be removed when its last process has been reaped, which is a moment after the kill."""
    deadline = time.monotonic() + _LEAVE_SECONDS
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
