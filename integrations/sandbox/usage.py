"""Measures a running process tree and a run's folder. Polled by `bubblewrap` while a command runs; never kills."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from integrations.disk import compute_inode_allowance, read_disk, walk
from integrations.sandbox.environment import HOME
from integrations.sandbox.limits import MIB, Limits

_PAGE = os.sysconf("SC_PAGE_SIZE")
OWN_TASKS = 16  # the supervisor, and a keeper for each command and service that runs at once
_ROLLUP = re.compile(r"^Pss_(Anon|Shmem): +(\d+) kB$", re.MULTILINE)
_MIN_GROWTH, _MIN_GROWTH_FILES, _FEW_FILES = MIB, 4096, 1024


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
        memory = _measure_memory(first_pid, processes, limits.memory)
        tasks = sum(int(fields[17]) for path in processes if (fields := _read_fields(path / "stat")))
    if tasks > limits.processes + OWN_TASKS:
        return f"the command was killed because it ran more than {limits.processes} processes and threads"
    if memory > limits.memory:
        return f"the command was killed because it used more than {limits.memory // MIB} MiB of memory"
    return ""


def _measure_memory(first_pid: int, processes: Sequence[Path], limit: int) -> int:
    """Bytes of the processes, of memfds and of the memory-backed folders. Shared pages count once, which is expensive:
    only if the sum of all resident pages is over `limit`."""
    kept = sum(size for _, size in _find_open_files(processes, _is_memory_file).values())
    for folder in memory_folders(first_pid):
        with suppress(OSError):
            state = os.statvfs(folder)
            kept += (state.f_blocks - state.f_bfree) * state.f_frsize
    resident = sum(int(fields[1]) for path in processes if (fields := _read_fields(path / "statm"))) * _PAGE
    if resident + kept <= limit:
        return resident + kept
    anonymous = shared = 0
    for path in processes:
        with suppress(OSError):
            rollup = (path / "smaps_rollup").read_text()
            sizes = {name: int(kib) * 1024 for name, kib in _ROLLUP.findall(rollup)}
            anonymous, shared = anonymous + sizes.get("Anon", 0), shared + sizes.get("Shmem", 0)
    return anonymous + max(shared, kept)


def memory_folders(first_pid: int) -> list[Path]:
    """The folders of a sandbox that are kept in memory."""
    return [Path(f"/proc/{first_pid}/root{folder}") for folder in ("/tmp", "/dev/shm", str(HOME))]


def _is_memory_file(link: str) -> bool:
    return link.startswith(("/memfd:", "/SYSV", "/dev/zero"))


def _find_open_files(processes: Sequence[Path], wanted: Callable[[str], bool]) -> dict[int, tuple[int, int]]:
    """Device and size on disk, by inode, of deleted regular files that `processes` have open."""
    found = {}
    for process in processes:
        with suppress(OSError):
            for entry in os.scandir(process / "fd"):
                with suppress(OSError):
                    status = entry.stat()
                    if (
                        stat.S_ISREG(status.st_mode)
                        and not status.st_nlink
                        and wanted(str(Path(entry.path).readlink()))
                    ):
                        found[status.st_ino] = (status.st_dev, status.st_blocks * 512)
    return found


def measure_deleted(first_pid: int) -> int:
    """Bytes on disk of files that the sandbox deleted and still has open or mapped; no walk finds them."""
    processes = list(Path(f"/proc/{first_pid}/root/proc").glob("[0-9]*"))
    memory = {folder.stat().st_dev for folder in memory_folders(first_pid) if folder.exists()}
    found = _find_open_files(processes, lambda link: not _is_memory_file(link))
    sizes = {inode: size for inode, (device, size) in found.items() if device not in memory}
    mapped: dict[int, int] = {}
    for process in processes:
        with suppress(OSError):
            for line in (process / "maps").read_text(errors="replace").splitlines():
                if line.endswith(" (deleted)") and not _is_memory_file(line.split(maxsplit=5)[5]):
                    span, _, _, _, inode, _ = line.split(maxsplit=5)
                    begin, end = (int(part, 16) for part in span.split("-"))
                    mapped[int(inode)] = mapped.get(int(inode), 0) + end - begin
    tmpfs = {inode for inode, (device, _) in found.items() if device in memory}
    return sum(sizes.values()) + sum(size for inode, size in mapped.items() if inode not in sizes.keys() | tmpfs)


class DiskGuard:
    """Checks the size of a run's folder during one command. A walk is expensive, so it walks only after the file system
    lost space, and once more at the end if the folder has few files.

    Other writers cause extra walks; only one that frees space at the same time can delay one. The command can
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

    def check(self, first_pid: int = 0, *, final: bool = False) -> str:
        """Returns a sentence once the folder exceeds `tree` bytes or `tree_files` files, or the command its allowance,
        else ''. `final`: after its end."""
        space, files = self._free_now()
        step = self._least if final else self._step
        grown = self._free[0] - space >= step[0] or self._free[1] - files >= step[1]
        if grown or (final and self._is_cheap_to_measure()):
            self._free = (space, files)
            if reason := self._measure(first_pid):  # another thread can set it meanwhile
                self._exceeded = self._exceeded or reason
        return self._exceeded

    def _is_cheap_to_measure(self) -> bool:
        """Whether the folder has few files, or more than allowed: other writers can hide the growth of such a one."""
        count = sum(1 for _ in islice(walk(self._folder), _FEW_FILES + 1))
        return count <= _FEW_FILES or count > self._limits.tree_files

    def _measure(self, first_pid: int) -> str:
        count = created = 0
        size = written = measure_deleted(first_pid) if first_pid else 0
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
