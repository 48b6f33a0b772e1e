"""Limits the number of a sandbox's processes with a cgroup, for launchers that run as root.

Called by `bubblewrap` for each command. RLIMIT_NPROC does not apply to root, in any namespace, and a fork bomb can
outrun polling; the kernel checks a cgroup's `pids.max` at each fork. Version 1 only, below Loopline's own group: in
version 2 a child group cannot have a limit while its parent has processes, and a group elsewhere would escape the
operator's memory and processor limits for Loopline.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_REMOVE_TIMEOUT = 5.0


def find_pids_folder(mountinfo: str, own: str) -> Path | None:
    """This process's group in the pids hierarchy, or None. `mountinfo` and `own` are the texts of /proc/self/mountinfo
    and /proc/self/cgroup. Source: proc(5), cgroups(7)."""
    groups = [line.split(":", 2) for line in own.splitlines()]
    path = next((path for _, controllers, path in groups if "pids" in controllers.split(",")), None)
    for line in mountinfo.splitlines() if path else ():
        mount, _, kind = line.partition(" - ")
        root, point = mount.split()[3:5]
        if kind.startswith("cgroup ") and "pids" in kind.rsplit(" ", 1)[-1].split(","):
            return Path(point, (path or "").removeprefix(root.rstrip("/")).lstrip("/"))
    return None


@cache
def _find_usable_group() -> Path | None:
    """The group in which this process can create groups; None where it cannot or need not."""
    if os.geteuid() != 0 or not Path("/proc/self/cgroup").exists():
        return None
    folder = find_pids_folder(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    if not folder or not os.access(folder, os.W_OK):
        return None
    remove_stale_groups(folder)
    return folder


def remove_stale_groups(folder: Path) -> None:
    """Remove the groups of launchers that were killed. A group that is not empty yet stays for the next call."""
    for group in folder.glob("loopline-*-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            with suppress(OSError):
                group.rmdir()


@contextmanager
def task_limit(processes: int) -> Iterator[Path | None]:
    """Create a group of at most `processes` tasks; yields the file to which a process id is written to add it.

    Yields None where the kernel enforces RLIMIT_NPROC, or where no group can be created."""
    folder = _find_usable_group()
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
    """Remove the group, with retries: that works only after its last process was reaped, shortly after the kill."""
    deadline = time.monotonic() + _REMOVE_TIMEOUT
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
