"""Loaded by each Python process of a stack with a shifted clock (`tests.badday.shifted`), through PYTHONPATH.

libfaketime 0.9.10 takes the absolute deadline on the monotonic clock that `time.sleep` passes to the kernel for a time
of the shifted clock, so this waits in another way.
"""

from __future__ import annotations

import select
import time
from typing import SupportsIndex


def _sleep(seconds: SupportsIndex | float) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
