"""The raw journal: every accepted delivery as it came, on disk as compressed JSON lines, bounded by age and size.

Written by `jobs.dispatch` after the request was answered, before the delivery leaves the inbox; read by people. A crash
in between journals a delivery twice, under the same `entry`. Each process writes files of its own, one a day, so that a
line torn by a crash is the last of its file: `zcat <home>/journal/*` shows all of them.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

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

    def write(self, entries: Sequence[tuple[str, Mapping[str, bytes]]], now: float) -> None:
        """Append inbox entries (id and fields) and wait until they are on the disk; `now` is Unix seconds.

        A disk that is full is logged and holds nothing up: a copy must not stop the work."""
        try:
            self._append(gzip.compress(b"".join(_line(name, fields) for name, fields in entries)), now)
            if now - self._pruned_at > 3_600:
                self._pruned_at = now
                self.prune(now)
        except OSError as error:
            _log.error("journal not written", deliveries=len(entries), reason=str(error))

    def prune(self, now: float) -> None:
        """Delete what is older than 90 days, then the oldest until the rest fits."""
        files = sorted(self._folder.glob("*.jsonl.gz"))
        sizes = {file: file.stat().st_size for file in files}
        oldest = time.strftime("%Y-%m-%d", time.gmtime(now - KEPT_DAYS * _DAY))
        for file in files:
            if file.name[:10] < oldest or sum(sizes.values()) > self._max_bytes:
                file.unlink(missing_ok=True)
                del sizes[file]

    def _append(self, data: bytes, now: float) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"{time.strftime('%Y-%m-%d', time.gmtime(now))}-{self._writer}.jsonl.gz"
        file.touch(mode=0o600)
        with file.open("ab") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())


def _line(entry: str, fields: Mapping[str, bytes]) -> bytes:
    plain = {name: value.decode(errors="replace") for name, value in fields.items() if name != "body"}
    return json.dumps({"entry": entry, **plain, **_body(fields.get("body", b""))}, ensure_ascii=False).encode() + b"\n"


def _body(body: bytes) -> dict[str, str]:
    """As text where it is text, so that people can search it."""
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
