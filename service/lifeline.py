"""Runs a command that the kernel kills when its parent dies (`PR_SET_PDEATHSIG`).

The supervisor starts every child as `python lifeline.py <own pid> <command …>`, by path and isolated, so this file
imports only the standard library. The setting survives exec. It exists on Linux only; elsewhere children are stopped
by the supervisor's shutdown alone. It is bound to the thread that starts the child, which must be the main thread.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(expected: int, number: int = signal.SIGKILL) -> None:
    """Request signal `number` on the parent's death; exits at once when the parent is no longer `expected`."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != expected:
        os._exit(1)


def wrap_command(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` (an absolute path, then arguments) until this process dies."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
