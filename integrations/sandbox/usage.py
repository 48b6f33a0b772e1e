"""How much a running process tree and a run's folder take. Asked by `bubblewrap` while a command runs; never kills."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from integrations.sandbox.limits import MIB, Limits

_PAGE = os.sysconf("SC_PAGE_SIZE")
OWN = 1  # task: bubblewrap's own process inside
_GREW, _GREW_FILES = MIB, 4096


def _read(path: Path) -> list[str]:
    """The words of a file of /proc, empty when its process is gone."""
    try:
        return path.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def over_process_limits(first_pid: int, limits: Limits) -> str:
    """One sentence when the sandbox whose process 1 is `first_pid` is over its memory or tasks, else empty.

    Read through the sandbox's own /proc, which lists exactly its processes, also those that have left their parent."""
    proc = Path(f"/proc/{first_pid}/root/proc")
    try:
        if proc.stat().st_dev == Path("/proc").stat().st_dev:  # still the host's: the sandbox is not set up yet
            return ""
        processes = [path for path in proc.iterdir() if path.name.isdecimal()]
    except OSError:  # not mounted yet, or ended
        return ""
    tasks, memory = len(processes), 0
    if tasks <= limits.processes + OWN:
        sizes = [_read(path / "statm") for path in processes]
        memory = sum(int(words[1]) - int(words[2]) for words in sizes if words) * _PAGE
        tasks = sum(int(words[17]) for path in processes if (words := _read(path / "stat")))
    if tasks > limits.processes + OWN:
        return f"the command was killed because it ran more than {limits.processes} processes and threads"
    if memory > limits.memory:
        return f"the command was killed because it used more than {limits.memory // MIB} MiB of memory"
    return ""


def _walk(folder: str) -> Iterator[os.stat_result]:
    """Every entry below `folder`; links are not followed, folders that we may not enter are left out."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, PermissionError):
            continue


class DiskGuard:
    """Says whether a run's folders are too big. A walk is dear, so it walks only after the file system lost space.

    Other programs that write there make it walk more often, never less than needed, unless they free space meanwhile.
    """

    def __init__(self, folders: Sequence[Path], limits: Limits) -> None:
        self._folders, self._limits = folders, limits
        self._free = self._free_now()

    def _free_now(self) -> tuple[int, int]:
        state = os.statvfs(self._folders[0])
        return state.f_bfree * state.f_frsize, state.f_ffree

    def exceeded(self) -> str:
        """One sentence when the folders are over `tree` bytes or `tree_files` files, else empty."""
        space, files = self._free_now()
        if self._free[0] - space < _GREW and self._free[1] - files < _GREW_FILES:
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
