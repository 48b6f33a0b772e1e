"""Leases with fencing tokens: one process at a time works on a ticket or a run.

Used by `jobs.drive` and `jobs.advance_run`. One thread per process beats for all leases that it holds, every 3 s; a
lease that is not renewed ends after 10 s, and whoever takes it next gets a higher epoch. A holder that was frozen finds
its writes refused by the fence in every script. What could not be given back, since Redis was away, is given back as
soon as it is there again, so that nobody waits for its end.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis import Redis
from redis.exceptions import RedisError

from jobs.runtime import keys
from jobs.runtime.scripts import LeaseLost, run_script

LIFE_MS = 10_000
BEAT_SECONDS = 3.0
GIVE_BACK_SECONDS = 0.5
OWNER = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

_log = structlog.get_logger(__name__)


class Lease:
    """A lease that this process holds. `token` goes into every fenced write."""

    def __init__(self, redis: Redis, name: str, token: str) -> None:
        self._redis = redis
        self.name = name
        self.token = token
        self.renewed_at = time.monotonic()
        self.lost = False

    def renew(self) -> None:
        """Ask for another life; notes the loss when somebody else has it."""
        before = time.monotonic()
        if run_script(self._redis, "renew_lease", [keys.lease(self.name)], [self.token, LIFE_MS]):
            self.renewed_at = before
        else:
            self.lost = True

    def check(self) -> None:
        """Raise `LeaseLost` unless the lease is surely ours for a while: asked before each outward effect."""
        if time.monotonic() - self.renewed_at > LIFE_MS / 3000:
            self.renew()
        if self.lost:
            raise LeaseLost(f"the lease on {self.name} was taken over")

    def drop(self) -> bool:
        """Give it back early; harmless when it is not ours any more, which is False."""
        return bool(run_script(self._redis, "drop_lease", [keys.lease(self.name)], [self.token]))


class _LeaseRenewer:
    """One beating thread for all leases of the process."""

    def __init__(self) -> None:
        self._held: set[Lease] = set()
        self._kept: set[Lease] = set()
        self._lock = threading.Lock()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._held.add(lease)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beat, name="lease-heart", daemon=True)
                self._thread.start()

    def remove(self, lease: Lease) -> None:
        """Renew it no more and give it back, now or when Redis is there again."""
        with self._lock:
            self._held.discard(lease)
        try:
            lease.drop()
        except RedisError:
            with self._lock:
                self._kept.add(lease)
            self._hurry.set()

    def _beat(self) -> None:
        while True:
            self._hurry.wait(BEAT_SECONDS)
            with self._lock:
                held, kept = list(self._held), list(self._kept)
            for lease in held:
                try:
                    lease.renew()
                except RedisError as error:
                    _log.warning("lease not renewed", lease=lease.name, error=str(error))
            self._give_back(kept)

    def _give_back(self, kept: list[Lease]) -> None:
        for lease in kept:
            try:
                lease.drop()
            except RedisError:
                time.sleep(GIVE_BACK_SECONDS)
                return
            with self._lock:
                self._kept.discard(lease)
        with self._lock:
            if not self._kept:
                self._hurry.clear()


_heart = _LeaseRenewer()


@contextmanager
def hold(redis: Redis, name: str) -> Iterator[Lease | None]:
    """Take the lease on `name` and keep it alive; None when somebody else has it. Dropped at the end."""
    token = run_script(
        redis, "take_lease", [keys.lease(name), keys.fence(name)], [OWNER, LIFE_MS, uuid.uuid4().hex[:8]]
    )
    if token is None:
        yield None
        return
    lease = Lease(redis, name, token.decode())
    _heart.add(lease)
    try:
        yield lease
    finally:
        _heart.remove(lease)
