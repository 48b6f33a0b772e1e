"""Prepares a Redis that is not the one that the home folder was last used with. Called by `jobs.clock` before it leads.

An older state (a restored backup) is forgotten, because the board, the code host and git are newer: the next sweep
rebuilds all loops from them. The day's spending comes back from the home folder. A Redis of another installation is not
used and not changed.
"""

from __future__ import annotations

from pathlib import Path

import structlog
from redis import Redis

from jobs.runtime import epoch, keys, notices
from jobs.runtime.epoch import Mark
from jobs.runtime.scripts import run_script
from jobs.store.ledger import read_day_micro_usd, restore_day, today

NOTICE_SECONDS = 3_600
UNUSED_SECONDS = 3_600.0
"""After this time Redis can be from a backup together with the home folder, whose epochs are equal then."""
OLDER = "Redis was restored from a backup: its state was forgotten, and all loops are rebuilt from the board."
EMPTY = "Redis was empty: all loops are rebuilt from the board."
FOREIGN = (
    "This Redis belongs to another installation of Loopline. Set REDIS_URL to the right one; or, if the home folder is "
    f"the wrong one, delete {epoch.FILE} in LOOPLINE_HOME."
)
_log = structlog.get_logger(__name__)


def prepare(redis: Redis, home: Path) -> bool:
    """Bring Redis to a state that can be worked with; False for the Redis of another installation."""
    found, known = epoch.read_mark(redis), epoch.read_file(home)
    match epoch.compare(found, known):
        case "foreign":
            return False
        case "older" if found and known:
            _forget(redis, found, known)
        case "empty" if known:
            epoch.begin(redis, known)
            restore_day(redis, known.day, known.day_micro_usd)
            notices.post(redis, "redis", EMPTY, NOTICE_SECONDS)
            _log.warning("Redis was empty", reason=EMPTY, day_usd=known.day_micro_usd / 1_000_000)
        case "new":
            epoch.begin(redis, None)
        case "current" | "new home" if epoch.read_age(redis) > UNUSED_SECONDS and redis.delete(keys.REBUILT):
            _log.info("Redis was not used for a while, searching the board for missing loops")
        case _:
            pass
    return True


def find_problems(redis: Redis, home: Path) -> list[str]:
    """The reason not to work with this Redis, in one sentence."""
    return [FOREIGN] if epoch.compare(epoch.read_mark(redis), epoch.read_file(home)) == "foreign" else []


def raise_epoch(redis: Redis, home: Path, now: float) -> None:
    """Raise the number of the epoch, and keep the day's spending (the day of `now`, Unix seconds) beside it."""
    day = today(now)
    epoch.raise_number(redis, home, day, read_day_micro_usd(redis, day))


def _forget(redis: Redis, found: Mark, known: Mark) -> None:
    arguments: list[str | bytes | int | float] = [
        known.installation,
        known.number,
        known.number + epoch.AHEAD,
        *keys.FORGOTTEN,
    ]
    if not run_script(redis, "forget", [keys.EPOCH, keys.INBOX], arguments):
        return
    restore_day(redis, known.day, known.day_micro_usd)
    notices.post(redis, "redis", OLDER, NOTICE_SECONDS)
    _log.warning("Redis was older than the board", reason=OLDER, number=found.number, newest=known.number)
