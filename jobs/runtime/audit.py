"""The audit journal: an append-only, hash-chained record of decisions and effects, JSON lines in `<home>/audit`.

Each line has its number and the SHA-256 of the line before it. All processes of a machine append to one chain under a
file lock, and wait until the line is on disk; so a crash leaves at most an incomplete last line, which the next append
removes. A line is written before its effect or decision leaves the outbox or mailbox: after a crash it can occur
twice, but it is not lost. The number and hash of the newest line are kept in Redis too, so that lines that are cut
off at the end are found. `jobs.runtime.audit_check` verifies.

Full segments are compressed. Beyond the size limit the oldest one is deleted, after a line with its last hash, from
which the rest is still verified.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from redis import Redis

from jobs.runtime import keys
from jobs.runtime.logging import OutageLog
from jobs.runtime.scripts import decode

FOLDER = "audit"
ORIGIN = "0" * 64
"""The hash before the first line."""
SEGMENT_BYTES = 4_000_000
MAX_BYTES, LARGEST_SHARE = 1_000_000_000, 0.05
"""Size of all segments: at most so many bytes, and this share of the disk."""
LONGEST_TEXT = 300
_TAIL = 64 * 1024
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Head:
    """Number and hash of a line."""

    number: int = 0
    digest: str = ORIGIN


class AuditJournal:
    """The chain below `home`. Without `redis` the head is published by the next append."""

    def __init__(self, home: Path, redis: Redis | None, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder, self._redis, self._segment_bytes = home / FOLDER, redis, segment_bytes
        self._chain = name_chain(home)
        self._missing, self._outage = 0, OutageLog()

    def record(self, **fields: object) -> None:
        """Append one line; as the other journal, a disk that cannot be written to does not stop the work.

        The failure is logged once, and the chain gets a line with the number of missing lines when it is writable."""
        try:
            if self._missing:
                self.append(kind="gap", lines=self._missing)
                self._missing = 0
            self.append(**fields)
        except OSError as error:
            self._missing += 1
            self._outage.error("audit write failed", error)
        else:
            self._outage.info("audit is written again")

    def append(self, **fields: object) -> None:
        """Append one line and wait until it is on disk. Raises `OSError`, without a trace in the chain, when that
        fails, and `RedisError` when only the head could not be published."""
        with self._lock():
            file, head = self._find_end()
            head = self._write(file, head, fields)
            if file.stat().st_size >= self._segment_bytes:
                _compress(file)
                head = self._delete_oldest(head)
            if self._redis:
                self._redis.hset(keys.AUDIT_HEADS, self._chain, f"{head.number} {head.digest}")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _find_end(self) -> tuple[Path, Head]:
        """The segment to append to, without an incomplete line at its end, and the newest line."""
        segments = list_segments(self._folder)
        last = segments[-1] if segments else None
        if last and last.suffix == ".jsonl":
            _remove_incomplete_line(last)
            if line := _read_last_line(last):
                return last, parse_head(line)
            segments.remove(last)  # created by an append that failed
        if segments:
            head = parse_head(_read_last_line(segments[-1]))
        else:  # the folder is new, or was deleted: then the number shows that lines are missing
            head = read_head(self._redis, self._chain) or Head() if self._redis else Head()
        return self._folder / f"{head.number + 1:012}.jsonl", head

    def _write(self, file: Path, head: Head, fields: Mapping[str, object]) -> Head:
        known = {"n": head.number + 1, "prev": head.digest, "at": round(time.time(), 3)}
        data = json.dumps(known | _clean(fields), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with file.open("ab", buffering=0) as stream:
            os.fchmod(stream.fileno(), 0o600)
            end = stream.tell()
            try:
                if stream.write(data) != len(data):
                    raise OSError(28, "No space left on device")
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(end)
                raise
        return Head(head.number + 1, digest_of(data))

    def _delete_oldest(self, head: Head) -> Head:
        """Delete the oldest segments beyond the limit, each after a line that has its last hash."""
        limit = min(MAX_BYTES, int(LARGEST_SHARE * shutil.disk_usage(self._folder).total))
        segments, file = list_segments(self._folder), self._folder / f"{head.number + 1:012}.jsonl"
        while len(segments) > 1 and sum(segment.stat().st_size for segment in segments) > limit:
            oldest = segments.pop(0)
            last = parse_head(_read_last_line(oldest))
            line = {"kind": "retention", "through": last.number, "digest": last.digest}
            head = self._write(file, head, line)
            oldest.unlink()
            _log.warning("oldest audit lines deleted", through=last.number, limit=limit)
        return head


def name_chain(home: Path) -> str:
    """The field of this chain's head in Redis: one chain per home folder."""
    return hashlib.sha256(f"{socket.gethostname()}:{home.resolve()}".encode()).hexdigest()[:16]


def read_head(redis: Redis, chain: str) -> Head | None:
    """The newest line as Redis knows it."""
    found = redis.hget(keys.AUDIT_HEADS, chain)
    number, _, digest = decode(found).partition(" ") if found else ("", "", "")
    return Head(int(number), digest) if number.isdigit() else None


def list_segments(folder: Path) -> list[Path]:
    """All segments, the oldest first. Of one that was being compressed, the complete compressed file counts."""
    plain = {file.name.partition(".")[0]: file for file in folder.glob("[0-9]*.jsonl")}
    packed = {file.name.partition(".")[0]: file for file in folder.glob("[0-9]*.jsonl.gz")}
    return [file for _, file in sorted((plain | packed).items())]


def read_segment(file: Path) -> bytes:
    """The lines of a segment. Raises `OSError`, `EOFError` and `zlib.error` for a damaged one."""
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def digest_of(line: bytes) -> str:
    """The SHA-256 of a line without its end."""
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def parse_head(line: bytes) -> Head:
    """Number and hash of a line. Raises `OSError` for a line that was damaged: the chain cannot be continued."""
    try:
        return Head(int(json.loads(line)["n"]), digest_of(line))
    except (ValueError, TypeError, KeyError) as error:
        raise OSError(f"the last line of the audit journal is damaged: {error}") from error


def _clean(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: _shorten(value) for name, value in fields.items() if value not in (None, "", (), [])}


def _shorten(value: Any) -> Any:
    if isinstance(value, str):
        return value[:LONGEST_TEXT].encode(errors="replace").decode()
    return [_shorten(part) for part in value] if isinstance(value, list | tuple) else value


def _remove_incomplete_line(file: Path) -> None:
    """A process that was killed, or a power failure, can leave a part of a line."""
    with file.open("rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        start = max(size - _TAIL, 0)
        stream.seek(start)
        tail = stream.read()
        if tail and not tail.endswith(b"\n"):
            stream.truncate(start + tail.rfind(b"\n") + 1)


def _read_last_line(file: Path) -> bytes:
    if file.suffix == ".gz":
        return read_segment(file).rstrip(b"\n").rpartition(b"\n")[2]
    with file.open("rb") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - _TAIL, 0))
        return stream.read().rstrip(b"\n").rpartition(b"\n")[2]


def _compress(file: Path) -> None:
    """Replace a segment by its compressed form; after a crash both exist, and the compressed one is complete."""
    draft = file.with_name(f".{file.name}.gz")
    with draft.open("wb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(gzip.compress(file.read_bytes(), mtime=0))
        stream.flush()
        os.fsync(stream.fileno())
    draft.rename(file.with_name(f"{file.name}.gz"))
    file.unlink()
