"""Measures a running process tree and a run's folder. Polled by `bubblewrap` while a command runs; never kills."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from integrations.sandbox.limits import MIB, Limits

_PAGE = os.sysconf("SC_PAGE_SIZE")
BWRAP_TASKS = 1  # bubblewrap's own process inside
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
    if tasks <= limits.processes + BWRAP_TASKS:
        sizes = [_read_fields(path / "statm") for path in processes]
        memory = sum(int(fields[1]) - int(fields[2]) for fields in sizes if fields) * _PAGE
        tasks = sum(int(fields[17]) for path in processes if (fields := _read_fields(path / "stat")))
    if tasks > limits.processes + BWRAP_TASKS:
        return f"the command was killed because it ran more than {limits.processes} processes and threads"
    if memory > limits.memory:
        return f"the command was killed because it used more than {limits.memory // MIB} MiB of memory"
    return ""


def _walk(folder: str) -> Iterator[os.stat_result]:
    """Every entry below `folder`; does not follow links and skips unreadable folders."""
    pending = [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except (FileNotFoundError, PermissionError):
            continue


class DiskGuard:
    """Checks the size of a run's folders. A walk is expensive, so it walks only after the file system lost space.

    Other writers cause extra walks; only a program that frees space at the same time can delay one.
    """

    def __init__(self, folders: Sequence[Path], limits: Limits) -> None:
        self._folders, self._limits = folders, limits
        self._free = self._free_now()

    def _free_now(self) -> tuple[int, int]:
        state = os.statvfs(self._folders[0])
        return state.f_bfree * state.f_frsize, state.f_ffree

    def check(self) -> str:
        """Returns a sentence when the folders exceed `tree` bytes or `tree_files` files, else ''."""
        space, files = self._free_now()
        if self._free[0] - space < _MIN_GROWTH and self._free[1] - files < _MIN_GROWTH_FILES:
            return ""
        self._free = (space, files)
        return self._measure()

    def _measure(self) -> str:
        size = count = 0
        for folder in self._folders:
            for state in _walk(str(folder)):
                size, count = size + state.st_blocks * 512, count + 1
        if size > self._limits.tree:
            return f"the run's folder holds {size // MIB} MiB, more than the {self._limits.tree // MIB} MiB allowed"
        if count > self._limits.tree_files:
            return f"the run's folder holds {count} files, more than the {self._limits.tree_files} allowed"
        return ""
