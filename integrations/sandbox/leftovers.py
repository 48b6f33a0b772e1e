"""Ends sandboxes whose starter died before bubblewrap was told to die with it. Called by jobs that take a run over.

bubblewrap's first process asks for its parent's death signal late: until then, a killed starter leaves it waiting for
ever. Whoever holds a run's lease may end every sandbox of the run, also one whose starter is only frozen.
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


def end_sandboxes_of(folder: Path) -> None:
    """Kill every bubblewrap process whose command line names this run's folder, as far as there is a /proc."""
    for pid in list(_sandboxes_of(str(folder).encode())):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
            _log.warning("a sandbox without its starter was ended", pid=pid, folder=str(folder))


def _sandboxes_of(folder: bytes) -> Iterator[int]:
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            program, *words = (entry / "cmdline").read_bytes().split(b"\0")
            if program.endswith(b"bwrap") and any(w == folder or w.startswith(folder + b"/") for w in words):
                yield int(entry.name)
