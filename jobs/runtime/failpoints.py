"""Named points at which a test lets a process fail. Called by every step of `service` and `jobs`; off, it is one check.

A point is a step and a phase: `before` its effect, `sent` and the reply unread, `done` and not yet noted, `journaled`.
Armed by one setting, `name:phase:hit:action[=argument]`, it fires once at the given hit, counted over all processes and
restarts by files in `<home>/failpoints`.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

Phase = Literal["before", "sent", "done", "journaled"]
_log = structlog.get_logger(__name__)


class Tripped(Exception):
    """What the action `raise` raises: a fault of ours that nobody expects."""


@dataclass(frozen=True)
class Failpoint:
    """One armed point."""

    name: str
    phase: str
    hit: int
    action: str
    argument: str
    home: Path


ARMED: Failpoint | None = None


def arm(setting: str, home: Path) -> None:
    """Arm the point that the setting names in this process; an empty one disarms. Entry points call it."""
    global ARMED
    if not setting:
        ARMED = None
        return
    name, phase, hit, action = setting.split(":")
    kind, _, argument = action.partition("=")
    ARMED = Failpoint(name, phase, int(hit), kind, argument, home)
    (home / "failpoints").mkdir(parents=True, exist_ok=True)


def fail(name: str, phase: Phase) -> None:
    """Do what is armed for this point, if anything is."""
    if ARMED and (ARMED.name, ARMED.phase) == (name, phase) and _is_the_hit(ARMED):
        _log.warning("failpoint", point=name, phase=phase, action=ARMED.action, argument=ARMED.argument)
        _ACTIONS[ARMED.action](ARMED)


def _is_the_hit(point: Failpoint) -> bool:
    """Count this pass; two processes never get the same number."""
    for number in range(1, point.hit + 1):
        file = point.home / "failpoints" / f"{point.name}.{point.phase}.{number}"
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            continue
        return number == point.hit
    return False


def _kill(point: Failpoint) -> None:
    """This process, or the named one of `up.json`; `up` is the supervisor, and all others die with it."""
    pid = os.getpid()
    if point.argument:
        state = json.loads((point.home / "up.json").read_text())
        pid = state["pid"] if point.argument == "up" else state["processes"][point.argument]
    os.kill(pid, signal.SIGKILL)


def _stop(point: Failpoint) -> None:
    """Freeze this process; another one lets it go on."""
    waker = f"sleep {point.argument}; kill -CONT {os.getpid()}"
    subprocess.Popen(["/bin/sh", "-c", waker], start_new_session=True)
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise(point: Failpoint) -> None:
    raise Tripped(f"{point.name}:{point.phase}")


def _no_space(point: Failpoint) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sleep(point: Failpoint) -> None:
    time.sleep(float(point.argument))


_ACTIONS: dict[str, Callable[[Failpoint], None]] = {
    "kill": _kill,
    "stop": _stop,
    "raise": _raise,
    "enospc": _no_space,
    "sleep": _sleep,
}
