"""Locks for a repository's references and base trees, on one machine. Called by `mirror` and `base_trees`."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MAX_KEYS = 1000
_LOCK_SECONDS = 10.0  # git holds the lock file of a reference for milliseconds
_PACK_SECONDS = 3600.0  # longer than any git command may run


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


@contextmanager
def repository_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the repository in `folder`; blocks. Deletes the leftovers of killed git processes first."""
    with file_lock(folder.with_name(f"{folder.name}.lock")):
        remove_leftovers(folder)
        yield


def remove_leftovers(folder: Path) -> None:
    """Delete lock files of references and unfinished packs that no living git process can own."""
    for path in (*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")):
        _delete_older(path, _LOCK_SECONDS)
    for pattern in ("pack/tmp_*", "tmp_objdir-*", "??/tmp_obj_*"):
        for path in (folder / "objects").glob(pattern):
            _delete_older(path, _PACK_SECONDS)


def _delete_older(path: Path, seconds: float) -> None:
    with suppress(FileNotFoundError):
        if abs(time.time() - path.stat().st_mtime) > seconds:  # abs: the clock may have jumped back
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


def single_flight(path: Path, keys: Sequence[str], act: Callable[[Sequence[str]], None]) -> None:
    """Call `act(keys)` under the lock at `path`, unless calls that began after this request succeeded for all keys.

    Works across threads and processes: the lock file stores the start of each key's last successful call, on the
    monotonic clock that all processes share, and the boot id to which that clock belongs.
    """
    boot, requested = _BOOT.read_text().strip(), time.monotonic_ns()
    with file_lock(path):
        began = _read_starts(path, boot)
        if all(began.get(key, 0) >= requested for key in keys):
            return
        now = time.monotonic_ns()
        act(keys)
        newest = sorted({**began, **dict.fromkeys(keys, now)}.items(), key=lambda item: -item[1])[:_MAX_KEYS]
        with suppress(OSError):  # a full disk: the next caller acts itself
            path.write_text(json.dumps({"boot": boot, "began": dict(newest)}))


def _read_starts(path: Path, boot: str) -> dict[str, int]:
    """The starts of this boot, in nanoseconds; empty for a file that was cut off or has another format."""
    try:
        stored = json.loads(path.read_bytes())
        return dict(stored["began"]) if stored["boot"] == boot else {}
    except (ValueError, TypeError, LookupError):
        return {}
