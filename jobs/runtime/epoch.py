"""The epoch of Redis: a number that is raised every few seconds, in Redis and then in a file of the home folder.

A Redis with a smaller number than the file was restored from a backup, and its effects must not be repeated.
`jobs.clock` raises the number, `jobs.recovery.older_redis` compares. In a process that has worked with a newer state
`jobs.runtime.lease` refuses leases, so that nothing happens before the comparison.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal
from uuid import uuid4

import structlog
from redis import Redis

from jobs.runtime import keys
from jobs.runtime.clocks import read_redis_time
from jobs.runtime.scripts import decode

FILE = "epoch.json"
RAISE_SECONDS = 5.0
AHEAD = 10  # a new start skips some numbers that the file may have missed
State = Literal["current", "new home", "new", "empty", "older", "foreign"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Mark:
    """An epoch. The day's spending is in the file only: it has to survive the loss of Redis."""

    installation: str
    number: int
    day: str = ""
    day_micro_usd: int = 0


class _Guard:
    """The newest epoch that this process has seen, if it is watched."""

    def __init__(self) -> None:
        self.is_on = self.is_reported = False
        self.newest: Mark | None = None


_guard = _Guard()


def compare(found: Mark | None, known: Mark | None) -> State:
    """The state of a Redis with the epoch `found` for a home folder with the epoch `known`; None without one."""
    if found is None:
        return "new" if known is None else "empty"
    if known is None:
        return "new home"
    if found.installation != known.installation:
        return "foreign"
    return "older" if found.number < known.number else "current"


def read_mark(redis: Redis) -> Mark | None:
    """The epoch of this Redis; None for an empty one."""
    installation, number = redis.hmget(keys.EPOCH, ["installation", "number"])
    return Mark(decode(installation), int(number or 0)) if installation else None


def read_age(redis: Redis) -> float:
    """Seconds since the number was raised; 0 before that."""
    at = redis.hget(keys.EPOCH, "at")
    return read_redis_time(redis) - int(at) / 1000 if at else 0.0


def read_file(home: Path) -> Mark | None:
    """The epoch that the home folder knows; None without a valid file."""
    try:
        return Mark(**json.loads((home / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def begin(redis: Redis, known: Mark | None) -> None:
    """Give a Redis that has no valid epoch one that is newer than all that are known."""
    mark = known or Mark(uuid4().hex, 0)
    redis.hset(keys.EPOCH, mapping={"installation": mark.installation, "number": mark.number + AHEAD})


def raise_number(redis: Redis, home: Path, day: str, day_micro_usd: int) -> None:
    """Raise the number in Redis, then in the file, which must never be ahead.

    A full disk weakens the comparison only."""
    with redis.pipeline() as batch:  # one write of the append-only file
        batch.hincrby(keys.EPOCH, "number", 1)
        batch.hset(keys.EPOCH, "at", int(read_redis_time(redis) * 1000))
        batch.execute()
    mark = read_mark(redis)
    if mark is None:
        return
    draft = home / f".{FILE}"
    try:
        draft.write_text(json.dumps(asdict(replace(mark, day=day, day_micro_usd=day_micro_usd))))
        draft.replace(home / FILE)
    except OSError:
        return


def watch(home: Path) -> None:
    """From now on this process refuses leases of a Redis that is older than the file or than what it has seen."""
    _guard.is_on, _guard.newest = True, read_file(home)


def is_newest(installation: str, number: str) -> bool:
    """Whether an epoch is at least as new as all that this process has seen; always true without `watch`."""
    if not _guard.is_on:
        return True
    mark = Mark(installation, int(number)) if installation else None
    if compare(mark, _guard.newest) in ("current", "new home", "new"):
        _guard.newest, _guard.is_reported = mark, False
        return True
    if not _guard.is_reported:
        _guard.is_reported = True
        _log.warning("Redis is not the newest, waiting for the clock process")
    return False
