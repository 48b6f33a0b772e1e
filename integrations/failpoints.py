"""Failpoints: named points at the process's boundaries where a test makes a process fail. Disabled: a single check.

A point is a boundary operation and a phase of it: `before` the request, `sent` with the reply unread, `done` with the
reply read. The modules at the boundaries call `fail`, so that the steps between them need no hooks of their own:

- `commit.lua`: a script of `jobs/runtime/lua`; `transcript.turn`: an entry of a run's transcript, by its kind
- `enqueue.drive`: an RQ job, by its function; `enqueue.due`: the delayed ones
- `linear.MoveTicket`, `github.graphql.Enqueue`: a GraphQL operation; `github.PUT.pulls.merge`: the fixed segments of a
  REST route
- `model.stream`: a model call
- `notification.send`: an attempt to send a notification
- `git.push`: a git command on a repository of the host
- `workspace.create`, `workspace.remove`, `base_tree.create`: a run's files, and the clean tree below them
- `sandbox.run.bash`, `sandbox.capture.git`: a program in the sandbox
- `journal.append`, `spool.append`: a write to disk

LOOPLINE_FAILPOINT arms one. `operation:phase:hit:action[=argument]` fires once at the given hit, counted over all
processes and restarts by files in `<home>/failpoints`; the actions are kill, stop, raise, enospc and sleep. `trace`
appends each point that a process passes to `<home>/failpoints/trace`.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

Phase = Literal["before", "sent", "done"]
TRACE = "trace"
FAILPOINT_FORM = (
    r"|trace"
    r"|[A-Za-z_][\w.-]*:(before|sent|done):[1-9]\d*:(kill(=[a-z0-9-]+)?|raise|enospc|(stop|sleep)=\d+(\.\d+)?)"
)
"""Regular expression of the setting; empty is off."""
_log = structlog.get_logger(__name__)


class FailpointError(Exception):
    """Raised by the action `raise`: an unexpected error."""


@dataclass(frozen=True)
class Failpoint:
    """The armed point."""

    home: Path
    operation: str
    phase: str = ""
    hit: int = 0
    action: str = ""
    argument: str = ""


ARMED: Failpoint | None = None


def arm(setting: str, home: Path) -> None:
    """Arm the point that the setting names in this process; an empty setting disarms. Called by entry points."""
    global ARMED
    ARMED = _parse(setting, home) if setting else None
    if ARMED:
        (home / "failpoints").mkdir(parents=True, exist_ok=True)


def _parse(setting: str, home: Path) -> Failpoint:
    if setting == TRACE:
        return Failpoint(home, TRACE)
    operation, phase, hit, action = setting.split(":")
    kind, _, argument = action.partition("=")
    return Failpoint(home, operation, phase, int(hit), kind, argument)


def fail(operation: str, phase: Phase) -> None:
    """Pass the point; carry out the action if it is the armed point."""
    if ARMED is None:
        return
    if ARMED.operation == TRACE:
        _trace(ARMED, f"{operation}:{phase}")
    elif (ARMED.operation, ARMED.phase) == (operation, phase) and _is_hit(ARMED):
        _log.warning("failpoint", operation=operation, phase=phase, action=ARMED.action, argument=ARMED.argument)
        _act(ARMED)


def _trace(point: Failpoint, line: str) -> None:
    with (point.home / "failpoints" / TRACE).open("a") as file:
        file.write(f"{line}\n")


def _is_hit(point: Failpoint) -> bool:
    """Count this pass; no two processes get the same number."""
    for number in range(1, point.hit + 1):
        file = point.home / "failpoints" / f"{point.operation}.{point.phase}.{number}"
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            continue
        return number == point.hit
    return False


def _act(point: Failpoint) -> None:
    match point.action:
        case "kill":
            _kill(point)
        case "stop":  # a shell continues this process later
            waker = f"sleep {point.argument}; kill -CONT {os.getpid()}"
            subprocess.Popen(["/bin/sh", "-c", waker], start_new_session=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raise":
            raise FailpointError(f"{point.operation}:{point.phase}")
        case "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "sleep":
            time.sleep(float(point.argument))


def _kill(point: Failpoint) -> None:
    """Kill this process or the one that `up.json` names; `up` is the supervisor, with which all others die."""
    pid = os.getpid()
    if point.argument:
        state = json.loads((point.home / "up.json").read_text())
        pid = state["pid"] if point.argument == "up" else state["processes"][point.argument]
    os.kill(pid, signal.SIGKILL)
