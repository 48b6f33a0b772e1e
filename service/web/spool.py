"""Stores deliveries on disk while Redis is unavailable, for senders that never retry. Called by the web process.

One SQLite database per source, with a rollback journal and `synchronous=EXTRA`: after a commit the delivery survives a
power failure, and no second file has to be kept with the database. WAL would only make appends faster, which are rare.

At-least-once: a delivery is deleted after Redis has accepted it, and `service.web.intake` drops duplicates.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, fields
from pathlib import Path

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.failpoints import fail
from integrations.ports.source import Delivery
from jobs.runtime.logging import OutageLog
from service.web.intake import Received, accept

_log = structlog.get_logger(__name__)
POLL_SECONDS = 2.0
LOCK_SECONDS = 5.0
BATCH = 20  # deliveries in memory at once; one of GitHub can have 25 MB
COLUMNS = ", ".join(field.name for field in fields(Delivery))
# AUTOINCREMENT never reuses a number, so deleting up to the last one read cannot delete a delivery appended meanwhile.
# A column without a type returns bytes, text and numbers as they were stored.
SCHEMA = f"""
PRAGMA synchronous = EXTRA;
CREATE TABLE IF NOT EXISTS deliveries (number INTEGER PRIMARY KEY AUTOINCREMENT, received_at, {COLUMNS});
"""


class Spool:
    """The spool of one source below `folder`."""

    def __init__(self, folder: Path, source: str) -> None:
        self._file = folder / f"{source}.sqlite3"

    def append(self, received: Received) -> None:
        """Write the delivery and wait until it is on the disk. Raises `OSError` when that fails."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file.touch(mode=0o600)
        values = (received.at, *astuple(received.delivery))
        fail("spool.append", "before")
        with self._database() as database:
            marks = ", ".join("?" * len(values))
            database.execute(f"INSERT INTO deliveries (received_at, {COLUMNS}) VALUES ({marks})", values)
        fail("spool.append", "done")

    def drain(self, redis: Redis) -> int:
        """Accept all waiting deliveries, oldest first; returns how many were new.

        Raises `RedisError` when Redis becomes unavailable, `OSError` when the disk fails; the next call retries all."""
        if not self._file.exists():
            return 0
        new = last = 0
        with self._database() as database:
            query = f"SELECT number, received_at, {COLUMNS} FROM deliveries WHERE number > ? ORDER BY number LIMIT ?"
            while rows := database.execute(query, (last, BATCH)).fetchall():
                new += sum(accept(redis, Received(Delivery(*values), at)) for _, at, *values in rows)
                last = rows[-1][0]
            if last:
                database.execute("DELETE FROM deliveries WHERE number <= ?", (last,))
                database.execute("VACUUM")  # returns the disk space
        return new

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A connection for one call, so that it belongs to one thread and no fork inherits it. Each statement commits
        by itself, so no lock is held during Redis calls."""
        try:
            with closing(sqlite3.connect(self._file, timeout=LOCK_SECONDS, isolation_level=None)) as database:
                database.executescript(SCHEMA)
                yield database
        except sqlite3.Error as error:
            raise OSError(f"{self._file.name}: {error}") from error


def keep_draining(spools: list[Spool], redis: Redis, stop: threading.Event) -> None:
    """Drain at once and then every two seconds, until `stop`; the web process runs this in a thread."""
    outages = [OutageLog() for _ in spools]
    while True:
        for spool, outage in zip(spools, outages, strict=True):
            try:
                if new := spool.drain(redis):
                    _log.info("spool drained", deliveries=new)
                outage.info("spool can be drained again")
            except (RedisError, OSError) as error:
                outage.error("spool cannot be drained, will retry", error)
        if stop.wait(POLL_SECONDS):
            return
