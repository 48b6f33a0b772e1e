"""Journal of raw deliveries: compressed JSON lines on disk, bounded by age and size. `zcat <home>/journal/*` shows all.

Written by `jobs.inbox.dispatch` before a delivery leaves the inbox; read by people, and after a crash by the next
dispatcher, to skip duplicates. Each process writes its own file per day, so a torn line is always the last of its file.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from integrations.disk import DiskMonitor, find_existing
from integrations.failpoints import fail
from jobs.runtime.logging import OutageLog

KEPT_DAYS = 90
LARGEST_SHARE = 0.1
_DAY = 86_400
_log = structlog.get_logger(__name__)


class Journal:
    """The journal in `folder`, with at most `max_bytes` and `LARGEST_SHARE` of the disk that `monitor` watches."""

    def __init__(self, folder: Path, max_bytes: int, monitor: DiskMonitor | None = None) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._monitor = monitor or DiskMonitor(folder)
        self._writer = uuid.uuid4().hex[:8]
        self._pruned_at = 0.0
        self._unpruned = 0
        self._outage = OutageLog()

    def write(self, entries: Sequence[tuple[str, Mapping[str, bytes]]], now: float, *, again: bool = False) -> None:
        """Append inbox entries (id and fields) and wait until they are on disk; `now` is Unix seconds. `again` skips
        those that a crashed dispatcher has written. A full disk is logged once and does not block the dispatch."""
        try:
            if self._monitor.is_full():
                raise OSError(self._monitor.read().sentence)
            known = self._read_known(min(name for name, _ in entries), now) if again else set()
            lines = [_line(name, fields) for name, fields in entries if name not in known]
            if lines:
                self._append(gzip.compress(b"".join(lines)), now)
            # The age is checked after the clock went back, too.
            if abs(now - self._pruned_at) > 3_600 or self._unpruned > self._compute_limit() // 10:
                self._pruned_at, self._unpruned = now, 0
                self.prune(now)
        except OSError as error:
            self._outage.error("journal write failed", error)
        else:
            self._outage.info("journal is written again")

    def read(self, since: str = "") -> Iterator[dict[str, Any]]:
        """Yield every line of the day `since` (as 2026-05-01) or later, except torn ones."""
        for file in sorted(self._folder.glob("*.jsonl.gz")):
            if file.name[:10] < since:
                continue
            try:
                with gzip.open(file) as lines:
                    yield from map(json.loads, lines)
            except (EOFError, zlib.error, ValueError, gzip.BadGzipFile) as error:
                _log.warning("torn journal", file=file.name, reason=str(error))

    def _read_known(self, first: str, now: float) -> set[str]:
        """Ids of the written entries from the inbox entry `first` on. An id begins with Unix milliseconds of Redis's
        clock, which can differ from this one, and does not follow a clock that goes back."""
        day_before = min(int(first.partition("-")[0]) / 1000, now) - _DAY
        return {line["entry"] for line in self.read(_day(max(day_before, 0)))}

    def prune(self, now: float) -> None:
        """Delete files older than 90 days, one day's at a time (the clock can be wrong), then the oldest until the rest
        fits."""
        files = sorted(self._folder.glob("*.jsonl.gz"))
        sizes = {file: file.stat().st_size for file in files}
        oldest = _day(now - KEPT_DAYS * _DAY)
        first, most = files[0].name[:10] if files else "", self._compute_limit()
        for file in files:
            if file.name[:10] == first < oldest or sum(sizes.values()) > most:
                file.unlink(missing_ok=True)
                del sizes[file]

    def _compute_limit(self) -> int:
        return min(self._max_bytes, int(LARGEST_SHARE * shutil.disk_usage(find_existing(self._folder)).total))

    def _append(self, data: bytes, now: float) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"{_day(now)}-{self._writer}.jsonl.gz"
        file.touch(mode=0o600)
        fail("journal.append", "before")
        with file.open("ab", buffering=0) as stream:
            end = stream.tell()
            try:
                written = stream.write(data)
                if written != len(data):
                    raise OSError(f"only {written} of {len(data)} bytes")
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(end)  # a partial batch would hide the later ones
                raise
        self._unpruned += len(data)
        fail("journal.append", "done")


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _line(entry: str, fields: Mapping[str, bytes]) -> bytes:
    line = {"entry": entry}
    line |= {name: value.decode(errors="replace") for name, value in fields.items() if name != "body"}
    body = fields.get("body", b"")
    try:
        line["body"] = body.decode()  # so that people can search it
    except UnicodeDecodeError:
        line["body_base64"] = base64.b64encode(body).decode()
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"
