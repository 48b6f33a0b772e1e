"""Puts a process into a known state, whatever started it. Called first by both command lines."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path


def prepare_process() -> None:
    """Open closed standard streams, let them write any text, and keep files from other users."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed: the next file would get its descriptor
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names and arguments can be bytes that are no text
            stream.reconfigure(errors="backslashreplace")
    mask = (os.umask(0o077) | 0o022) & 0o077  # other users cannot change the files, and the owner can use them
    os.umask(mask if os.geteuid() else 0o022)  # root's sandboxes run as another user, in LOOPLINE_HOME reached by none
