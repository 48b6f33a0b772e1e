"""Detection of dead processes: each process locks a file, and the kernel releases the lock when the process ends.

Called by `python -m jobs` (to register itself), by the clock and by `/readyz`. The leases of a dead process are
released without waiting for their timeout, and the death is counted, so that work that crashes its worker is not
retried forever. Only processes of the same kernel are checked, because a lock can be invisible to another kernel; there
a lease expires, as it does when its process is frozen.
"""

from __future__ import annotations

import fcntl
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog
from redis import Redis

from integrations.values import RunId, TicketId
from jobs.runtime import heartbeats, keys
from jobs.runtime.lease import OWNER, Lease
from jobs.runtime.scripts import decode

STALE_AFTER_SECONDS = 86_400  # files of other kernels: other hosts that share the folder, or this host's last boot
DEATHS_KEPT_SECONDS = 86_400
RUN = "run:"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # the same in all containers of a host
_log = structlog.get_logger(__name__)
_lock_files: list[IO[bytes]] = []


def register_process(home: Path) -> None:
    """Register this process until it ends. The file is locked before it gets its name, so it never looks dead.

    Without space for the file the process works unregistered: its leases then expire after a timeout if it dies."""
    folder = home / "alive"
    draft = folder / f".{OWNER}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = draft.open("wb", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(_kernel_id())
        draft.rename(folder / OWNER)
        _lock_files.append(file)
    except OSError as error:
        _log.warning("process not registered", reason=str(error))
        with suppress(OSError):
            draft.unlink()


def list_dead_processes(home: Path) -> list[Path]:
    """Return the files of dead processes of this kernel that are not cleaned up yet; each is named after its owner.

    None while the folder cannot be read, for example without a free file descriptor."""
    try:
        return [file for file in (home / "alive").glob("[!.]*") if _is_dead(file)]
    except OSError:
        return []


def release_leases_of_dead_processes(redis: Redis, home: Path) -> None:
    """Release the leases of this home's dead processes, remove their heartbeats and delete their files."""
    files = {file.name: file for file in list_dead_processes(home)}
    if not files:
        return
    for key in redis.scan_iter(keys.lease("*")):
        token = decode(redis.get(key) or b"")
        if token.partition(":")[0] in files:
            _release_lease(redis, decode(key).removeprefix(keys.lease("")), token)
    heartbeats.remove_heartbeats_of(redis, set(files))
    with suppress(OSError):  # a read-only disk: their leases are released again, which does nothing
        for file in files.values():
            file.unlink(missing_ok=True)
        _remove_files_of_other_kernels(home)


def _release_lease(redis: Redis, name: str, token: str) -> None:
    if Lease(redis, name, token).release():
        deaths = redis.hincrby(*_death_counter(redis, name))
        redis.expire(_death_counter(redis, name)[0], DEATHS_KEPT_SECONDS)
        _log.info("lease of dead process released", lease=name, owner=token, deaths=deaths)


def count_deaths(redis: Redis, name: str) -> int:
    """Return how many processes in a row died while working on this ticket or run (`run:…`) without any progress."""
    return int(redis.hget(*_death_counter(redis, name)) or 0)


def _death_counter(redis: Redis, name: str) -> tuple[str, str]:
    """Return key and field. Progress resets the counter: it deletes a ticket's key and changes a run's field."""
    ticket, _, run_id = name.partition(RUN)
    if not run_id:
        return keys.failures(TicketId(ticket)), "deaths"
    return keys.failures(RunId(run_id)), f"deaths at {redis.xlen(keys.transcript(RunId(run_id)))}"


def _remove_files_of_other_kernels(home: Path) -> None:
    """Delete their stale files; a live process keeps its lock without the file."""
    for file in (home / "alive").iterdir():
        try:
            if file.stat().st_mtime < time.time() - STALE_AFTER_SECONDS and file.read_bytes() != _kernel_id():
                file.unlink()
        except FileNotFoundError:
            continue  # another clock deleted it


def _is_dead(file: Path) -> bool:
    try:
        with file.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return lock.read() == _kernel_id()
    except OSError:  # alive; deleted by another clock; no free file descriptor to look
        return False


def _kernel_id() -> bytes:
    try:
        return _BOOT_ID.read_bytes()
    except FileNotFoundError:
        return socket.gethostname().encode()
