"""The raw journal: every accepted delivery as it came, on disk as compressed JSON lines, bounded by age and size.

Written by `jobs.inbox.dispatch` after the request was answered, before the delivery leaves the inbox; read by people,
and after a crash by whoever takes the dead dispatcher's deliveries over, so that each is there once. Each process
writes files of its own, one a day, so that a line torn by a crash is the last of its file: `zcat <home>/journal/*`
shows all.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from integrations.failpoints import fail

KEPT_DAYS = 90
_DAY = 86_400
_log = structlog.get_logger(__name__)


class Journal:
    """The journal in `folder`, at most `max_bytes` of it."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._writer = uuid.uuid4().hex[:8]
        self._pruned_at = 0.0

    def write(self, entries: Sequence[tuple[str, Mapping[str, bytes]]], now: float, *, again: bool = False) -> None:
        """Append inbox entries (id and fields) and wait until they are on the disk; `now` is Unix seconds. With `again`
        those are left out that are there already: somebody who died may have written them.

        A disk that is full is logged and holds nothing up: a copy must not stop the work."""
        try:
            known = self._known(min(name for name, _ in entries)) if again else set()
            lines = [_line(name, fields) for name, fields in entries if name not in known]
            if lines:
                self._append(gzip.compress(b"".join(lines)), now)
            if now - self._pruned_at > 3_600:
                self._pruned_at = now
                self.prune(now)
        except OSError as error:
            _log.error("journal not written", deliveries=len(entries), reason=str(error))

    def read(self, since: str = "") -> Iterator[dict[str, Any]]:
        """Every line written on the day `since` (as 2026-05-01) or later, but for a torn one at a file's end."""
        for file in sorted(self._folder.glob("*.jsonl.gz")):
            if file.name[:10] < since:
                continue
            try:
                with gzip.open(file) as lines:
                    yield from map(json.loads, lines)
            except (EOFError, zlib.error, ValueError, gzip.BadGzipFile) as error:
                _log.warning("torn journal", file=file.name, reason=str(error))

    def _known(self, first: str) -> set[str]:
        """The entries that are there already, from the inbox entry `first` on; its id begins with its Unix
        milliseconds by Redis's clock, which may differ from ours."""
        day_before = int(first.partition("-")[0]) / 1000 - _DAY
        return {line["entry"] for line in self.read(_day(max(day_before, 0)))}

    def prune(self, now: float) -> None:
        """Delete what is older than 90 days, then the oldest until the rest fits."""
        files = sorted(self._folder.glob("*.jsonl.gz"))
        sizes = {file: file.stat().st_size for file in files}
        oldest = _day(now - KEPT_DAYS * _DAY)
        for file in files:
            if file.name[:10] < oldest or sum(sizes.values()) > self._max_bytes:
                file.unlink(missing_ok=True)
                del sizes[file]

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
                stream.truncate(end)  # half a batch would hide those that come after it
                raise
        fail("journal.append", "done")


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _line(entry: str, fields: Mapping[str, bytes]) -> bytes:
    plain = {name: value.decode(errors="replace") for name, value in fields.items() if name != "body"}
    return json.dumps({"entry": entry, **plain, **_body(fields.get("body", b""))}, ensure_ascii=False).encode() + b"\n"


def _body(body: bytes) -> dict[str, str]:
    """As text where it is text, so that people can search it."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
