"""Folders of runs that have ended on this machine: lists them, and removes the least recently used ones.

No run reads the folder of an earlier one: its work is in the mirror, as the candidate or as the checkpoint of a maker
that was interrupted. They stay for people who look for the cause of a failure, within the operator's bounds
(`LOOPLINE_RUN_DAYS`, `LOOPLINE_RUN_GIGABYTES`). Called by a thread of each agent process, by `disk` and by `service`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.disk import walk
from integrations.git import trash
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.values import RunId
from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.lease import hold

WATCH_SECONDS = 600.0
_DAY, _GB = 86_400, 1e9
TREE_SUFFIX = ".tree"
"""Of the work trees for single commands, beside their run's folder; a number follows."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """`last_used` is in Unix seconds, `size` in bytes on disk."""

    path: Path
    run_id: RunId
    last_used: float
    size: int

    @property
    def ticket(self) -> str:
        """The ticket's identifier."""
        return self.path.parent.name


def list_ended(home: Path, redis: Redis) -> list[RunFolder]:
    """The folders of runs that have ended, the least recently used first.

    Empty while the loops are being rebuilt, because then it is not known which runs continue."""
    if not redis.exists(keys.REBUILT):
        return []
    return sorted(_find_ended(home, redis), key=lambda folder: folder.last_used)


def _find_ended(home: Path, redis: Redis) -> Iterator[RunFolder]:
    for path in home.glob("runs/[!.]*/*"):
        run_id = RunId(path.name.partition(TREE_SUFFIX)[0])
        if path.is_dir() and not redis.sismember(keys.RUNS, run_id):
            size = sum(state.st_blocks * 512 for _, state in walk(str(path)))
            yield RunFolder(path, run_id, _read_last_use(path), size)


def _read_last_use(path: Path) -> float:
    """Each command makes an entry in one of the folders."""
    times = []
    for one in (path, *path.glob("*")):
        try:
            times.append(one.lstat().st_mtime)
        except OSError:  # removed meanwhile
            continue
    return max(times, default=0.0)


def reclaim(home: Path, redis: Redis, most_bytes: int, oldest: float, ticket: str = "") -> list[RunFolder]:
    """Remove folders of ended runs that were not used since `oldest` (Unix seconds), and the least recently used ones
    until all others have at most `most_bytes`; with `ticket` only those of that ticket. Returns the removed ones."""
    folders = [folder for folder in list_ended(home, redis) if ticket in ("", folder.ticket)]
    total, removed = sum(folder.size for folder in folders), []
    for folder in folders:
        if (total > most_bytes or folder.last_used < oldest) and _remove(folder, home, redis):
            total -= folder.size
            removed.append(folder)
            _log.info("run folder removed", ticket=folder.ticket, run=folder.run_id, bytes=folder.size)
    return removed


def _remove(folder: RunFolder, home: Path, redis: Redis) -> bool:
    """Remove the folder unless its run continues; the deletion itself happens in the background."""
    with hold(redis, f"run:{folder.run_id}") as lease:
        if lease is None or redis.sismember(keys.RUNS, folder.run_id):
            return False
        kill_sandboxes(folder.path)
        trash.discard(folder.path, home / "runs" / trash.TRASH)
    return True


def apply_bounds(settings: Settings, redis: Redis) -> list[RunFolder]:
    """Apply the operator's bounds of age and size."""
    most = int(settings.run_gigabytes * _GB)
    return reclaim(settings.home, redis, most, time.time() - settings.run_days * _DAY)


def watch_run_folders(settings: Settings, redis: Redis, stop: threading.Event) -> None:
    """Apply the bounds until `stop`. Run in a thread of each agent process; several do no harm."""
    while True:
        try:
            apply_bounds(settings, redis)
        except (RedisError, OSError) as error:
            _log.warning("run folders not checked, will retry", reason=str(error))
        if stop.wait(WATCH_SECONDS):
            return


def describe_ended(settings: Settings, redis: Redis) -> str:
    """Number, size and end of the folders in one sentence; empty without any."""
    folders = list_ended(settings.home, redis)
    if not folders:
        return ""
    used, days = sum(folder.size for folder in folders), (time.time() - folders[0].last_used) / _DAY
    return (
        f"Files of ended runs: {len(folders)} folders, {used / 1e6:.1f} MB, the oldest unused for {days:.1f} days. "
        f"They are removed after {settings.run_days:g} days or beyond {settings.run_gigabytes:g} GB, or by "
        "`loopline reclaim`."
    )
