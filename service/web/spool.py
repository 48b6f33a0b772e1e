"""Where deliveries wait on disk while Redis is away, for senders that never send again. Called by the door.

One file per source with a JSON line per delivery. Writers hold a lock for one append and its fsync; whoever drains
moves the file aside under the same lock, so no line is written to a file that is being drained. A crash while draining
reads the same lines again, and `service.web.intake` knows them.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.failpoints import fail
from integrations.ports.source import Delivery
from service.web.intake import Received, accept

_log = structlog.get_logger(__name__)
LOOK_EVERY_SECONDS = 2.0


class Spool:
    """The spool of one source below `folder`."""

    def __init__(self, folder: Path, source: str) -> None:
        self._source = source
        self._folder = folder
        self._file = folder / f"{source}.jsonl"
        self._draining = folder / f"{source}.draining.jsonl"

    def append(self, received: Received) -> None:
        """Write the delivery and wait until it is on the disk. Raises `OSError` when that fails."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fail("spool.append", "before")
        with self._locked("lock"):
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                # The newline in front ends a line that a crash or a full disk has torn.
                _write_all(descriptor, b"\n" + _line(received) + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _sync_folder(self._folder)
        fail("spool.append", "done")

    def drain(self, redis: Redis) -> int:
        """Hand all waiting deliveries over, oldest first; returns how many were new. One process at a time does it.

        Raises `RedisError` when Redis goes away again: the rest waits for the next call."""
        if not (self._file.exists() or self._draining.exists()):
            return 0
        with self._locked("drain.lock"):
            new = 0
            while self._next_file():
                new += sum(accept(redis, received) for received in self._read())
                self._draining.unlink()
            return new

    def _next_file(self) -> bool:
        with self._locked("lock"):
            if not self._draining.exists() and self._file.exists():
                self._file.rename(self._draining)
        return self._draining.exists()

    def _read(self) -> Iterator[Received]:
        with self._draining.open("rb") as lines:
            for line in filter(None, map(bytes.strip, lines)):
                try:
                    yield _received(line)
                except (ValueError, TypeError, KeyError):
                    # Only a line whose fsync did not return can be torn, and that delivery was not acknowledged.
                    _log.warning("torn line left out", source=self._source, bytes=len(line))

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._folder / f"{self._source}.{name}").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def keep_draining(spools: list[Spool], redis: Redis, stop: threading.Event) -> None:
    """Drain at once and then every two seconds, until `stop`; the web process runs this in a thread."""
    while True:
        for spool in spools:
            try:
                if new := spool.drain(redis):
                    _log.info("spool drained", deliveries=new)
            except (RedisError, OSError) as error:
                _log.warning("spool waits", reason=str(error))
        if stop.wait(LOOK_EVERY_SECONDS):
            return


def _line(received: Received) -> bytes:
    fields = asdict(received.delivery) | {"body": base64.b64encode(received.delivery.body).decode()}
    return json.dumps({"at": received.at, "delivery": fields}).encode()


def _received(line: bytes) -> Received:
    record = json.loads(line)
    fields = record["delivery"] | {"body": base64.b64decode(record["delivery"]["body"])}
    return Received(Delivery(**fields), record["at"])


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    """A new file is only there after a crash when its folder is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
