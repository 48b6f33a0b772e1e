"""Whether the disk permits work: its level, and the budget of Loopline's own folders (`LOOPLINE_DISK_GIGABYTES`).

Called before each slice of a run, before a fetch, by the sandbox before each command, by `/readyz` and the dashboard.
"""

from __future__ import annotations

import os
from pathlib import Path

from redis import Redis

from integrations.disk import POLL_SECONDS, Disk, find_existing, read_disk, walk
from integrations.environments.store import EnvironmentStore
from integrations.errors import Paused
from jobs.config.settings import Settings
from jobs.runtime import keys

FOLDERS = ("repos", "runs", "environments", "images")
DEFAULT_SHARE = 0.6
MEASURED_FOR_SECONDS = 60
GB = 1_000_000_000


def check_disk(disk: Disk, settings: Settings, redis: Redis, *, begins: bool) -> None:
    """Raise `Paused` on a full disk; for a run that begins also on a nearly full one and without budget."""
    if disk.level == "full" or (begins and disk.level == "nearly full"):
        raise Paused(disk.sentence, POLL_SECONDS)
    if begins and (room := compute_room(settings, redis)) <= 0 and _make_room(settings, redis, -room):
        redis.delete(keys.DISK_USED)
    if begins and compute_room(settings, redis) <= 0:
        raise Paused(format_budget_sentence(settings), POLL_SECONDS)


def _make_room(settings: Settings, redis: Redis, excess: int) -> bool:
    """Remove files of ended runs, then environments that no run uses, the least recently used ones first, until
    `excess` bytes are free."""
    from jobs.runtime.run_folders import list_ended, reclaim  # not at the top: the web process does not load git

    used = sum(folder.size for folder in list_ended(settings.home, redis))
    excess -= (freed := sum(folder.size for folder in reclaim(settings.home, redis, max(used - excess - 1, 0), 0.0)))
    return (excess >= 0 and _evict_environments(settings, excess)) or bool(freed)


def _evict_environments(settings: Settings, excess: int) -> bool:
    """Remove the least recently used environments that no run uses, until `excess` bytes are free."""
    store = EnvironmentStore(settings.home / "environments")
    return bool(store.evict(sum(layer.size for layer in store.list_layers()) - excess - 1, 0.0))


def find_problem(settings: Settings, redis: Redis) -> str:
    """Return why the disk pauses work now, as of the last measurement; empty if it does not. For `/readyz` and the
    dashboard."""
    if sentence := read_disk(settings.home).sentence:
        return sentence
    known = redis.get(keys.DISK_USED)
    is_used_up = known and int(known.split()[0]) >= compute_budget(settings)
    return format_budget_sentence(settings) if is_used_up else ""


def compute_room(settings: Settings, redis: Redis) -> int:
    """Return how many bytes Loopline's folders can still grow within their budget; negative beyond it.

    Their size is measured once a minute for all processes; in between, all space that the disk loses counts as
    theirs. A room that is used up by this estimate is measured again."""
    from integrations.git.base_trees import evict_base_trees  # not at the top: the web process does not load git

    budget = compute_budget(settings)
    known = redis.get(keys.DISK_USED)
    if known:
        used, free = map(int, known.split())
        if (room := budget - used - max(free - _read_free(settings.home), 0)) > 0:
            return room
    used = _measure(settings.home)
    if used >= budget and (freed := evict_base_trees(settings.home, 0)):
        used -= freed
    redis.set(keys.DISK_USED, f"{used} {_read_free(settings.home)}", ex=MEASURED_FOR_SECONDS)
    return budget - used


def _measure(home: Path) -> int:
    """Bytes of `FOLDERS`, except of what is being deleted, and of base trees, which have a record of their size, so
    they are not walked."""
    from integrations.git.base_trees import measure_base_trees
    from integrations.git.trash import TRASH

    kept = (walk(str(home / name), without=str(home / name / TRASH)) for name in FOLDERS)
    return sum(state.st_blocks * 512 for entries in kept for _, state in entries) + measure_base_trees(home)


def compute_command_room(settings: Settings, redis: Redis) -> int:
    """As `compute_room`, for a command of a run that has begun: at least a tenth of the budget, because a command that
    is killed for the space of others would count as a failed check."""
    return max(compute_room(settings, redis), compute_budget(settings) // 10)


def compute_budget(settings: Settings) -> int:
    """Return the budget in bytes; by default a share of the disk."""
    if settings.disk_gigabytes:
        return int(settings.disk_gigabytes * GB)
    state = os.statvfs(find_existing(settings.home))
    return int(state.f_blocks * state.f_frsize * DEFAULT_SHARE)


def format_budget_sentence(settings: Settings) -> str:
    """Folder, limit and fix in one sentence."""
    budget = compute_budget(settings) / GB
    return (
        f"Mirrors, worktrees, environments and images in {settings.home} use their budget of {budget:.3g} GB: "
        "no new run starts. Finish or stop tickets, or raise LOOPLINE_DISK_GIGABYTES; the work continues by itself."
    )


def _read_free(home: Path) -> int:
    state = os.statvfs(find_existing(home))
    return state.f_bavail * state.f_frsize
