"""Which processes are dead, known at once and for sure: each holds a lock on a file of its own, which the kernel frees.

Called by `python -m jobs` (to announce itself) and by the clock. A lease of a dead process is dropped without waiting
for its end; where the processes do not share a folder, a lease ends by itself as before.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

import structlog
from redis import Redis

from jobs import keys
from jobs.lease import OWNER, Lease
from jobs.store import text_of

_log = structlog.get_logger(__name__)
_held: list[IO[bytes]] = []


def announce(home: Path) -> None:
    """Show for as long as this process lives that it does. The file appears with its lock held."""
    folder = home / "alive"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{OWNER}"
    file = draft.open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    draft.rename(folder / OWNER)
    _held.append(file)


def drop_leases_of_the_dead(redis: Redis, home: Path) -> None:
    """Free what dead processes of this home held, so that the living can go on with it."""
    dead = {file.name: file for file in (home / "alive").glob("[!.]*") if _is_free(file)}
    if not dead:
        return
    for key in redis.scan_iter(keys.lease("*")):
        token = text_of(redis.get(key) or b"")
        if token.partition(":")[0] in dead:
            Lease(redis, text_of(key).removeprefix(keys.lease("")), token).drop()
            _log.info("lease of a dead process dropped", lease=text_of(key), owner=token)
    for file in dead.values():
        file.unlink(missing_ok=True)


def _is_free(file: Path) -> bool:
    try:
        with file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return False  # another clock was faster
    return True
