"""Leases with fencing tokens: one process at a time works on a ticket or a run.

Used by `jobs.drive` and `jobs.advance_run`. One thread per process renews all its leases every 3 s; a lease that is not
renewed expires after 10 s, and the next holder gets a higher epoch. The fence in every script rejects the writes of a
holder that was frozen meanwhile. A lease that could not be released while Redis was unavailable is released on
reconnect, so that the next worker does not wait for the timeout.
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

from jobs.runtime import epoch, keys
from jobs.runtime.scripts import LeaseLost, decode, run_script

LIFE_MS = 10_000
RENEW_SECONDS = 3.0
RELEASE_RETRY_SECONDS = 0.5
OWNER = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

_log = structlog.get_logger(__name__)


class Lease:
    """A lease held by this process. Every fenced write carries `token`."""

    def __init__(self, redis: Redis, name: str, token: str) -> None:
        self._redis = redis
        self.name = name
        self.token = token
        self.lost = False
        self._is_released = False
        self._lock = threading.Lock()  # a renewal after the release would take the lease again

    def renew(self) -> None:
        """Extend the lease by `LIFE_MS`; set `lost` when another process holds it, or held it meanwhile."""
        with self._lock:
            if self._is_released:
                return
            names = [keys.lease(self.name), keys.fence(self.name)]
            if not run_script(self._redis, "renew_lease", names, [self.token, LIFE_MS]):
                self.lost = True

    def check(self) -> None:
        """Raise `LeaseLost` unless Redis confirms the lease. Called before each external effect."""
        if decode(self._redis.get(keys.lease(self.name)) or b"") != self.token:
            self.renew()
        if self.lost:
            raise LeaseLost(f"the lease on {self.name} was taken over")

    def release(self) -> bool:
        """Release the lease early; False, without effect, when it is lost already."""
        with self._lock:
            self._is_released = True
            return bool(run_script(self._redis, "release_lease", [keys.lease(self.name)], [self.token]))


class _LeaseRenewer:
    """One thread that renews all leases of the process."""

    def __init__(self) -> None:
        self._held: set[Lease] = set()
        self._unreleased: set[Lease] = set()
        self._lock = threading.Lock()
        self._has_unreleased = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._held.add(lease)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="lease-renewer", daemon=True)
                self._thread.start()

    def remove(self, lease: Lease) -> None:
        """Stop renewing the lease and release it, now or when Redis is available again."""
        with self._lock:
            self._held.discard(lease)
        try:
            lease.release()
        except RedisError:
            with self._lock:
                self._unreleased.add(lease)
            self._has_unreleased.set()

    def _run(self) -> None:
        while True:
            self._has_unreleased.wait(RENEW_SECONDS)
            with self._lock:
                held, unreleased = list(self._held), list(self._unreleased)
            for lease in held:
                try:
                    lease.renew()
                except (RedisError, OSError) as error:  # OSError: the holder has closed its connection meanwhile
                    _log.warning("lease renewal failed", lease=lease.name, error=str(error))
            self._retry_releases(unreleased)

    def _retry_releases(self, leases: list[Lease]) -> None:
        for lease in leases:
            try:
                lease.release()
            except (RedisError, OSError):
                time.sleep(RELEASE_RETRY_SECONDS)
                return
            with self._lock:
                self._unreleased.discard(lease)
        with self._lock:
            if not self._unreleased:
                self._has_unreleased.clear()


_renewer = _LeaseRenewer()


@contextmanager
def hold(redis: Redis, name: str) -> Iterator[Lease | None]:
    """Take the lease on `name`, renew it, and release it at the end. Yields None when another process holds it,
    or when this Redis has an older state than the process has worked with."""
    names = [keys.lease(name), keys.fence(name), keys.EPOCH]
    taken = run_script(redis, "take_lease", names, [OWNER, LIFE_MS, uuid.uuid4().hex[:8]])
    if taken is None:
        yield None
        return
    token, *mark = map(decode, taken)
    lease = Lease(redis, name, token)
    if not epoch.is_newest(*mark):
        lease.release()
        yield None
        return
    _renewer.add(lease)
    try:
        yield lease
    finally:
        _renewer.remove(lease)
