"""The clock of Redis, and detection of clock jumps, of sleep of the host, and of processes that were stopped.

Called by `jobs.clock` once a second. Redis's clock measures every duration that processes share (leases, delayed
wake-ups, heartbeats), so its jumps matter; a duration within one process is measured with the monotonic clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from redis import Redis

JUMP_SECONDS = 5.0  # more than a leap second, less than half a lease
SLEEP_SECONDS = 5.0
STOP_SECONDS = 10.0
SLEW = 0.001  # share of the elapsed time by which a time daemon can adjust a clock
SLOW_SECONDS = 1.0
PLAUSIBLE_FROM = 1_735_689_600  # 2025-01-01: an earlier time is that of a host without a clock battery


def is_set(wall: float) -> bool:
    """Whether a clock shows a date that is possible."""
    return wall >= PLAUSIBLE_FROM


def read_redis_time(redis: Redis) -> float:
    """Unix seconds of Redis's clock."""
    seconds, microseconds = redis.time()
    return float(seconds) + float(microseconds) / 1_000_000


@dataclass(frozen=True)
class Reading:
    """Clocks at one moment, in seconds: wall clock, time since boot, and the same without sleep of the host."""

    wall: float
    boot: float
    awake: float


@dataclass(frozen=True)
class Incident:
    """What happened between two readings, in seconds; `jump` is negative for a clock that went back."""

    jump: float = 0.0
    slept: float = 0.0
    stopped: float = 0.0

    @property
    def sentence(self) -> str:
        """The incident in one sentence, for operators."""
        way = "forward" if self.jump > 0 else "back"
        parts = [f"the clock went {way} by {format_seconds(abs(self.jump))}"] if self.jump else []
        parts += [f"the host slept for {format_seconds(self.slept)}"] if self.slept else []
        parts += [f"Loopline or its Redis was stopped for {format_seconds(self.stopped)}"] if self.stopped else []
        text = " and ".join(parts)
        return f"{text[:1].upper()}{text[1:]}. Leases are renewed and waits adjusted; nothing is done twice."


def find_incident(before: Reading, after: Reading, *, continuous: bool = True) -> Incident | None:
    """Compare two readings; None when nothing happened. Without `continuous` a pause between them is expected."""
    elapsed, awake = after.boot - before.boot, after.awake - before.awake
    jump, slept = after.wall - before.wall - elapsed, elapsed - awake
    found = Incident(
        jump if abs(jump) > JUMP_SECONDS + SLEW * max(elapsed, 0.0) else 0.0,
        slept if slept > SLEEP_SECONDS else 0.0,
        awake if continuous and awake > STOP_SECONDS else 0.0,
    )
    return None if found == Incident() else found


class ClockWatch:
    """Reads the clocks at each tick and compares them with the last tick."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._is_continuous = False

    def tick(self, redis: Redis) -> Incident | None:
        """The incident since the last tick, if any. Raises `RedisError`."""
        before = time.monotonic()
        wall = read_redis_time(redis)
        now = Reading(wall, _read_boot_time(), time.monotonic())
        if now.awake - before > SLOW_SECONDS:
            return None  # the readings do not belong together; the next tick compares with the last good one
        last, self._last = self._last, now
        was_continuous, self._is_continuous = self._is_continuous, True
        return find_incident(last, now, continuous=was_continuous) if last else None

    def interrupt(self) -> None:
        """Expect a pause before the next tick, for example while Redis is unavailable."""
        self._is_continuous = False


def format_seconds(seconds: float) -> str:
    """A duration in its largest unit: '90 s', '10 min', '24 h', '2 days'."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _read_boot_time() -> float:
    """Seconds since boot, including sleep; without such a clock (macOS) sleep looks like a jump."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)
