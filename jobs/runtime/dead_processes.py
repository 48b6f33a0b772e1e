"""Which processes are dead, known at once and for sure: each holds a lock on a file of its own, which the kernel frees.

Called by `python -m jobs` (to announce itself), by the clock and by `/readyz`. A lease of a dead process is dropped
without waiting for its end, and the death is counted, so that what kills whoever takes it up is not tried for ever.
Only processes under the same kernel are judged, since a lock may mean nothing to another one; elsewhere a lease ends by
itself, as it does for a process that is frozen.
"""

from __future__ import annotations

import fcntl
import socket
import time
from pathlib import Path
from typing import IO

import structlog
from redis import Redis

from jobs.runtime import heartbeats, keys
from jobs.runtime.lease import OWNER, Lease
from jobs.runtime.scripts import decode

FORGOTTEN_AFTER_SECONDS = 86_400  # files of other kernels: of hosts that share the folder, or of ours before it booted
DEATHS_KEPT_SECONDS = 86_400
RUN = "run:"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # the same in all containers of a host
_log = structlog.get_logger(__name__)
_held: list[IO[bytes]] = []


def announce(home: Path) -> None:
    """Show for as long as this process lives that it does. The file appears with its lock held."""
    folder = home / "alive"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{OWNER}"
    file = draft.open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(_kernel())
    file.flush()
    draft.rename(folder / OWNER)
    _held.append(file)


def dead(home: Path) -> list[Path]:
    """The files of processes under this kernel that are dead and not cleared away yet; their names are the owners'."""
    return [file for file in (home / "alive").glob("[!.]*") if _is_free(file)]


def clear_away_the_dead(redis: Redis, home: Path) -> None:
    """Free what dead processes of this home held, so that the living can go on with it, and end their signs of life."""
    files = {file.name: file for file in dead(home)}
    if not files:
        return
    for key in redis.scan_iter(keys.lease("*")):
        token = decode(redis.get(key) or b"")
        if token.partition(":")[0] in files:
            _bury(redis, decode(key).removeprefix(keys.lease("")), token)
    heartbeats.forget_owners(redis, set(files))
    for file in files.values():
        file.unlink(missing_ok=True)
    _forget_other_kernels(home)


def _bury(redis: Redis, name: str, token: str) -> None:
    if Lease(redis, name, token).drop():
        died = redis.hincrby(*_deaths(redis, name))
        redis.expire(_deaths(redis, name)[0], DEATHS_KEPT_SECONDS)
        _log.info("lease of a dead process dropped", lease=name, owner=token, deaths=died)


def deaths(redis: Redis, name: str) -> int:
    """How many processes in a row died at work on this ticket or run (`run:…`) without a step forward in between."""
    return int(redis.hget(*_deaths(redis, name)) or 0)


def _deaths(redis: Redis, name: str) -> tuple[str, str]:
    """Where they are counted: a ticket's failures are forgotten with each step, a run's steps are in its transcript."""
    ticket, _, run_id = name.partition(RUN)
    return keys.failures(run_id or ticket), f"deaths at {redis.xlen(keys.transcript(run_id))}" if run_id else "deaths"


def _forget_other_kernels(home: Path) -> None:
    """Their files are of no use to us, and to a living process it makes no difference."""
    for file in (home / "alive").iterdir():
        try:
            if file.stat().st_mtime < time.time() - FORGOTTEN_AFTER_SECONDS and file.read_bytes() != _kernel():
                file.unlink()
        except FileNotFoundError:
            continue  # another clock was faster


def _is_free(file: Path) -> bool:
    try:
        with file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return lock.read() == _kernel()
    except (BlockingIOError, FileNotFoundError):  # alive; another clock was faster
        return False


def _kernel() -> bytes:
    try:
        return _BOOT_ID.read_bytes()
    except FileNotFoundError:
        return socket.gethostname().encode()
