"""`loopline workflow check FILE`: validates a `WORKFLOW.md` before it is committed, without settings or network.

Prints `file:line: message` per finding, the form that editors and CI systems link to the place.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TextIO

from jobs.loop.policy import FILE, inspect_policy

_LINE = re.compile(r"line (\d+)(,?) (.*)", re.DOTALL)


def check_file(name: str, out: TextIO, err: TextIO) -> int:
    """Check the file, or standard input for '-'. Returns 0, 1 for a file that cannot be used, 2 for one that cannot be
    read."""
    shown = "standard input" if name == "-" else name
    try:
        content = sys.stdin.buffer.read() if name == "-" else _find(Path(name)).read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        err.write(f"{shown} cannot be read ({error.strerror}); name a {FILE}.\n")
        return 2
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        out.write(f"{shown}:{line}: error: the file is not UTF-8 text; save it as UTF-8.\n")
        return 1
    found = inspect_policy(text)
    for problem in found.problems:
        line, message = _split(problem)
        out.write(f"{shown}:{line}: error: {message}.\n")
    out.writelines(f"{shown}:{line}: warning: {note}.\n" for line, note in sorted(found.notes))
    if found.policy is None:
        return 1
    checks = len(found.policy.loop.checks)
    out.write(f"{shown} can be used; checks: {checks}, warnings: {len(found.notes)}.\n")
    if not checks:
        out.write("Without loop.checks, each ticket waits for an answer to its acceptance criteria.\n")
    return 0


def _find(path: Path) -> Path:
    """The file itself, or the one in the folder."""
    return path / FILE if path.is_dir() else path


def _split(problem: str) -> tuple[int, str]:
    """Line and message of a problem. Line 1 stands for the whole text when the instructions are too long."""
    found = _LINE.fullmatch(problem)
    assert found, "each problem begins with its line"
    message = re.sub(r"^instructions: ", "the text below the front matter: ", found[3])
    return int(found[1]), message if found[2] else f"the line {message}"
