"""The gate of outward effects: every client calls `check_outward` directly before a request that changes something.

Closed while the service is frozen (`jobs.runtime.freeze`), which the process connects with `guard_outward`. Reads pass.
A check costs one `lstat` and one read of Redis, next to a request over the network.
"""

from __future__ import annotations

from collections.abc import Callable


def _permit() -> None:
    """Without a guard, as in tools and tests of one client, everything passes."""


_check: Callable[[], None] = _permit


def guard_outward(check: Callable[[], None]) -> None:
    """Set the guard of this process; `check` raises `integrations.errors.Frozen` while the gate is closed."""
    global _check
    _check = check


def check_outward() -> None:
    """Raise `Frozen` if no effect is permitted now."""
    _check()
