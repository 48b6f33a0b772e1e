"""Runs a command that the kernel kills when its starter dies, however that dies.

The supervisor starts every child as `python lifeline.py <own pid> <command …>`, by path and isolated, so this file
imports nothing but the standard library. The wish survives exec. It is Linux's; elsewhere the supervisor's ordered stop
is all there is. It binds to the thread that starts the child, so that has to be the main one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(expected: int, number: int = signal.SIGKILL) -> None:
    """Ask for signal `number` on the parent's death; leaves at once when the parent `expected` is gone already."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != expected:
        os._exit(1)


def wrapped(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` (its first word is a path) bound to the life of this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
