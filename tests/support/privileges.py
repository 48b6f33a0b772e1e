"""Commands that run without root's permission to read and write every file."""

from __future__ import annotations

import os
import sys


def drop_privileges() -> tuple[str, ...]:
    """The beginning of such a command line; empty for an ordinary user."""
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()


def become_ordinary_user() -> tuple[str, ...]:
    """The beginning of a command line that runs as another user, without an account; empty for an ordinary user."""
    user = ("--reuid=61536", "--regid=61536", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
    return ("setpriv", *user) if os.geteuid() == 0 else ()


HOST_PYTHON = f"{sys.base_prefix}/bin/python3"
"""An interpreter that every user can start."""
