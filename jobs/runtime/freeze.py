"""The freeze switch: while it is set, no outward effect, no model call and no agent's command happens.

It is set by a key in Redis or by a file in the home folder, either is enough: with `/freeze` on a ticket, `loopline
freeze`, or `touch` where Redis is unavailable. `watch_freeze`, a thread of each background process, copies the key to
the file and the file to the key, so a freeze reaches all machines that share the Redis and survives its loss. A thaw is
explicit; it is kept by the ids of the thawed freezes, so that the files of other machines are removed, too.

Checked by `integrations.outward` before each effect, polled by runs through `FreezeMonitor`.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.errors import Frozen
from jobs.runtime import keys
from jobs.runtime.scripts import run_script

FILE = "freeze"
POLL_SECONDS = 2.0
"""Interval in which frozen work looks for the thaw."""
WATCH_SECONDS = 0.5
MONITOR_SECONDS = 0.2
MAX_FILE_BYTES = 10_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Freeze:
    """One freeze. `since` is in Unix seconds; `by` is a person, or the host of the file."""

    id: str
    since: float
    by: str
    reason: str = ""

    @property
    def sentence(self) -> str:
        """Since when, by whom, why, the effect and the end of the freeze."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
        reason = f" ({self.reason})" if self.reason else ""
        return (
            f"Loopline is frozen since {since} by {self.by}{reason}: no agent runs, and nothing is written to the "
            "board or the code host. `loopline thaw`, or `/thaw` on a ticket, continues all work."
        )


def normalize_reason(text: str) -> str:
    """One line of at most 300 printable characters, for terminals and pages."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:300]


def find_freeze(redis: Redis, home: Path) -> Freeze | None:
    """Return the current freeze, the file's first. Raises `RedisError` when only Redis can answer and does not."""
    return read_freeze_file(home) or _first(_read_keys(redis))


def read_freeze_file(home: Path) -> Freeze | None:
    """Return the freeze of the home folder's file; an empty file, of any owner, counts."""
    file = home / FILE
    try:
        status = file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    touched = Freeze(
        f"{socket.gethostname()}:{status.st_mtime_ns}", status.st_mtime, f"a file on {socket.gethostname()}"
    )
    if not stat.S_ISREG(status.st_mode):
        return touched
    try:
        with file.open("rb") as stream:
            return _decode(stream.read(MAX_FILE_BYTES))
    except (OSError, ValueError, TypeError, KeyError):
        return touched


def set_freeze(redis: Redis, home: Path, freeze: Freeze) -> None:
    """Set the file, then the key. Idempotent: a freeze that was thawed is not set again. Raises `RedisError` and
    `OSError` when one of them cannot be set; the freeze holds with the other."""
    try:
        if not _is_thawed(redis, freeze):
            _write_file(home, freeze)
    finally:
        run_script(redis, "freeze", [keys.FREEZES, keys.THAWED], [freeze.id, _encode(freeze)])


def freeze_without_redis(home: Path, freeze: Freeze) -> None:
    """Set the file only; the key follows when Redis is available."""
    _write_file(home, freeze)


def thaw(redis: Redis, home: Path, now: float, until: float = float("inf")) -> list[Freeze]:
    """End all freezes that began before `until` (Unix seconds); returns them. Raises `OSError` when this machine's file
    cannot be removed, and `RedisError`; the freeze holds then."""
    found = {freeze.id: freeze for freeze in _read_keys(redis)}
    if own := read_freeze_file(home):
        found[own.id] = own
    ended = [freeze for freeze in found.values() if freeze.since <= until]
    if ended:
        run_script(redis, "thaw", [keys.FREEZES, keys.THAWED], [now, *(freeze.id for freeze in ended)])
    if own in ended:
        (home / FILE).unlink(missing_ok=True)
    return ended


def synchronize_freeze(redis: Redis, home: Path) -> Freeze | None:
    """Copy the file's freeze to Redis and the key's to the file, and remove the file of a thawed one."""
    own = read_freeze_file(home)
    if own and not run_script(redis, "freeze", [keys.FREEZES, keys.THAWED], [own.id, _encode(own)]):
        (home / FILE).unlink(missing_ok=True)
        own = None
    shared = _first(_read_keys(redis))
    if shared and not own:
        with suppress(OSError):  # a full disk: the key is enough, until Redis is lost
            _write_file(home, shared)
    return own or shared


def watch_freeze(redis: Redis, home: Path, stop: threading.Event) -> None:
    """Keep key and file equal until `stop`, and log each change. Run in a thread of each background process."""
    known: Freeze | None = None
    while True:
        try:
            found = synchronize_freeze(redis, home)
        except (RedisError, OSError):
            found = _find_without_redis(home) or known
        if found and not known:
            _log.warning("service frozen", reason=found.sentence)
        if known and not found:
            _log.warning("service thawed")
        known = found
        if stop.wait(WATCH_SECONDS):
            return


class FreezeMonitor:
    """`find_freeze` for callers that poll: reads again after 0.2 s. Shared by threads."""

    def __init__(self, redis: Redis, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis, self._home, self._clock = redis, home, clock
        self._read_at, self._is_frozen = -1.0, False

    def is_frozen(self) -> bool:
        """Whether the service is frozen, as of at most 0.2 s ago. Raises `RedisError`."""
        now = self._clock()
        if self._read_at < 0 or now - self._read_at > MONITOR_SECONDS:
            self._is_frozen = find_freeze(self._redis, self._home) is not None
            self._read_at = now
        return self._is_frozen

    def check(self) -> None:
        """Raise `Frozen` if the service is frozen now."""
        if found := find_freeze(self._redis, self._home):
            raise Frozen(found.sentence, POLL_SECONDS)


def _find_without_redis(home: Path) -> Freeze | None:
    try:
        return read_freeze_file(home)
    except OSError:
        return None


def _read_keys(redis: Redis) -> list[Freeze]:
    """All freezes in Redis, the oldest first."""
    values: Any = redis.hvals(keys.FREEZES)
    found = [_decode(raw) for raw in cast("list[bytes]", values)]
    return sorted(found, key=lambda freeze: freeze.since)


def _first(freezes: list[Freeze]) -> Freeze | None:
    return freezes[0] if freezes else None


def _is_thawed(redis: Redis, freeze: Freeze) -> bool:
    try:
        return redis.zscore(keys.THAWED, freeze.id) is not None
    except RedisError:
        return False


def _write_file(home: Path, freeze: Freeze) -> None:
    """Write the file and wait until it is on disk; an existing one is kept."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = home / f".{FILE}.{os.getpid()}.{threading.get_ident()}"
    try:
        with draft.open("w") as stream:
            stream.write(_encode(freeze))
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            os.link(draft, home / FILE)
    finally:
        draft.unlink(missing_ok=True)


def _encode(freeze: Freeze) -> str:
    return json.dumps(asdict(freeze))


def _decode(raw: bytes) -> Freeze:
    found = json.loads(raw)
    return Freeze(str(found["id"]), float(found["since"]), str(found["by"]), normalize_reason(str(found["reason"])))
