"""Measures a running process tree and a run's folder. Polled by `bubblewrap` while a command runs; never kills."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from integrations.disk import compute_inode_allowance, read_disk, walk
from integrations.sandbox.limits import MIB, Limits

_PAGE = os.sysconf("SC_PAGE_SIZE")
OWN_TASKS = 16  # the supervisor, and a keeper for each command and service that runs at once
_MIN_GROWTH, _MIN_GROWTH_FILES = MIB, 4096


def _read_fields(path: Path) -> list[str]:
    """The fields of a /proc file, empty when its process has ended."""
    try:
        return path.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def check_process_limits(first_pid: int, limits: Limits) -> str:
    """Returns a sentence when the sandbox with process 1 `first_pid` exceeds its memory or task limit, else ''.

    Reads the sandbox's own /proc, which lists exactly its processes, including those that left their parent."""
    proc = Path(f"/proc/{first_pid}/root/proc")
    try:
        if proc.stat().st_dev == Path("/proc").stat().st_dev:  # still the host's: the sandbox is not set up yet
            return ""
        processes = [path for path in proc.iterdir() if path.name.isdecimal()]
    except OSError:  # not mounted yet, or ended
        return ""
    tasks, memory = len(processes), 0
    if tasks <= limits.processes + OWN_TASKS:
        sizes = [_read_fields(path / "statm") for path in processes]
        memory = sum(int(fields[1]) - int(fields[2]) for fields in sizes if fields) * _PAGE
        tasks = sum(int(fields[17]) for path in processes if (fields := _read_fields(path / "stat")))
    if tasks > limits.processes + OWN_TASKS:
        return f"the command was killed because it ran more than {limits.processes} processes and threads"
    if memory > limits.memory:
        return f"the command was killed because it used more than {limits.memory // MIB} MiB of memory"
    return ""


class DiskGuard:
    """Checks the size of a run's folder during one command. A walk is expensive, so it walks only after the file system
    lost space.

    Other writers cause extra walks; only a program that frees space at the same time can delay one. The command can
    write `allowance` bytes, and files until the inodes are nearly used up. Files of the command have a change time
    since its start, which a program cannot set.
    """

    def __init__(self, folder: Path, limits: Limits, allowance: int) -> None:
        self._folder, self._limits, self.allowance = str(folder), limits, allowance
        self._inodes = compute_inode_allowance(folder)
        self._least = self._step = (_MIN_GROWTH, max(16, min(_MIN_GROWTH_FILES, os.statvfs(folder).f_files // 100)))
        self._free = self._free_now()
        self._exceeded = ""
        self._began = time.time_ns()

    def _free_now(self) -> tuple[int, int]:
        state = os.statvfs(self._folder)
        return state.f_bfree * state.f_frsize, state.f_ffree

    def check(self, *, final: bool = False) -> str:
        """Returns a sentence once the folder exceeds `tree` bytes or `tree_files` files, or the command its allowance,
        else ''. `final`: after its end."""
        space, files = self._free_now()
        step = self._least if final else self._step
        if self._free[0] - space >= step[0] or self._free[1] - files >= step[1]:
            self._free = (space, files)
            self._exceeded = self._exceeded or self._measure()
        return self._exceeded

    def _measure(self) -> str:
        size = count = written = created = 0
        for _, state in walk(self._folder):
            size, count = size + state.st_blocks * 512, count + 1
            if state.st_ctime_ns > self._began:
                written, created = written + state.st_blocks * 512, created + 1
        if size > self._limits.tree:
            return f"the run's folder holds {size // MIB} MiB, more than the {self._limits.tree // MIB} MiB allowed"
        if count > self._limits.tree_files:
            return f"the run's folder holds {count} files, more than the {self._limits.tree_files} allowed"
        if written > self.allowance:
            return f"the command wrote {written // MIB} MiB, more than the {self.allowance // MIB} MiB left for runs"
        if created > self._inodes:
            return f"the command wrote {created} files, more than the {self._inodes} left for runs"
        # Walks again after a quarter of what is left, so a large tree is walked rarely.
        space = min(self._limits.tree - size, self.allowance - written) // 4
        files = min(self._limits.tree_files - count, self._inodes - created) // 4
        self._step = (max(self._least[0], space), max(self._least[1], files))
        return ""

    def reclaim(self, tree: Path) -> None:
        """After a command that was killed because of the disk: delete files that it wrote in `tree`, the largest first,
        until the disk is not nearly full. Keeps them when the command wrote less than 1 % of the disk.

        A run that is paused on a full disk would otherwise keep its space and wait for itself."""
        written = [
            (state.st_blocks * 512, path)
            for path, state in walk(str(tree))
            if stat.S_ISREG(state.st_mode) and state.st_ctime_ns > self._began
        ]
        total = os.statvfs(tree)
        is_cause = sum(size for size, _ in written) > total.f_blocks * total.f_frsize // 100
        if not is_cause and not 0 < total.f_files // 100 < len(written):
            return
        for number, (_, path) in enumerate(sorted(written, reverse=True)):
            if number % 100 < 3 and read_disk(tree).level == "fine":
                return
            with suppress(OSError):
                Path(path).unlink()
