"""Kills sandboxes that a crashed worker left behind. Called by jobs that take over a run.

bubblewrap's first process asks for its parent's death signal late: if the worker is killed before that, the process
waits forever. The lease holder of a run kills all of the run's sandboxes, also those of a worker that is only frozen.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog

_PROC = Path("/proc")
_log = structlog.get_logger(__name__)


def kill_sandboxes(folder: Path) -> None:
    """Kill every bubblewrap process with this run's folder in its command line. Does nothing without /proc."""
    for pid in list(_find_sandboxes(str(folder).encode())):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            _log.warning("killed leftover sandbox", pid=pid, folder=str(folder))


def _find_sandboxes(folder: bytes) -> Iterator[int]:
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            program, *arguments = (entry / "cmdline").read_bytes().split(b"\0")
            if program.endswith(b"bwrap") and any(a == folder or a.startswith(folder + b"/") for a in arguments):
                yield int(entry.name)
