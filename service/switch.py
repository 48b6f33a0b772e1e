"""The commands `freeze` and `thaw`. Called by the command line; both work while Loopline is stopped.

Each prints the result and returns the exit code, 1 when Redis or the disk kept the command from taking full effect.
"""

from __future__ import annotations

import getpass
import socket
import time
from contextlib import suppress
from typing import TextIO
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from jobs.config.settings import Settings
from jobs.runtime.audit import AuditJournal
from jobs.runtime.freeze import FILE, Freeze, freeze_without_redis, normalize_reason, set_freeze, thaw


def freeze_service(settings: Settings, redis: Redis, out: TextIO, reason: str) -> int:
    """Freeze with key and file; without Redis the file is enough for this machine."""
    freeze = Freeze(uuid4().hex, time.time(), find_operator(), normalize_reason(reason))
    _record(settings, None, "freeze", freeze.by, freeze.reason)
    try:
        set_freeze(redis, settings.home, freeze)
    except RedisError as error:
        freeze_without_redis(settings.home, freeze)
        out.write(
            f"Frozen on this machine by the file {settings.home / FILE}. Redis does not respond ({error}); other "
            "machines follow when it does.\n"
        )
        return 0
    except OSError as error:
        out.write(
            f"Frozen by the key in Redis alone, which can be lost: the file cannot be written ({error.strerror}).\n"
        )
        return 1
    out.write(f"{freeze.sentence}\n")
    return 0


def thaw_service(settings: Settings, redis: Redis, out: TextIO) -> int:
    """End all freezes, on all machines that share the Redis."""
    try:
        ended = thaw(redis, settings.home, time.time())
    except RedisError as error:
        out.write(f"Not thawed: Redis does not respond ({error}). Run the command again when it does.\n")
        return 1
    except OSError as error:
        out.write(f"Still frozen: the file {settings.home / FILE} cannot be removed ({error.strerror}). Remove it.\n")
        return 1
    if ended:
        _record(settings, redis, "thaw", find_operator(), f"{len(ended)} freezes")
    out.writelines(f"Thawed: {one.sentence.partition(': no agent')[0]}.\n" for one in ended)
    out.write("" if ended else "Loopline is not frozen.\n")
    return 0


def _record(settings: Settings, redis: Redis | None, kind: str, actor: str, result: str) -> None:
    """Write to the audit journal. Neither a full disk nor Redis keeps the switch from working."""
    with suppress(OSError, RedisError):
        AuditJournal(settings.home, redis).append(kind=kind, actor=actor, result=result)


def find_operator() -> str:
    """The user and the host of the command, as 'ana@host'."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without an account
        user = "unknown user"
    return f"{user}@{socket.gethostname()}"
