"""Resolves commands to the lines of the shell scripts and Makefiles that they run. Called by `jobs.roles.gate`.

A check that starts a script depends on everything that the script starts. All I/O goes through `read`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from jobs.evidence.tampering.paths import find_paths, find_programs
from jobs.loop.state import Contract, Criterion

Read = Callable[[str], str | None]
MOST_LINES = 1_000
_MAKE_PROGRAMS = frozenset({"make", "gmake"})
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_OWN_FOLDER = re.compile(r"\$\(\s*dirname\s+(--\s+)?\$(0|\{BASH_SOURCE\[0\]\}|BASH_SOURCE)\s*\)/|\$\{0%/\*\}/")
"""The script's own folder; quotes are removed before matching."""


def add_script_lines(contract: Contract, read: Read) -> Contract:
    """Return the contract with a criterion for each script line of its commands. The guard uses them; none is run.

    `read` returns a file of the base commit, or None. Lines of a script count as commands of a check; lines of a
    Makefile only where they run a script that is named like a check."""
    seen: set[str] = set()
    lines: list[Criterion] = []
    waiting = [criterion for criterion in contract.criteria if criterion.command]
    while waiting and len(lines) < MOST_LINES:
        more = list(_read_scripts(waiting.pop(0).command, seen, read))
        lines += more
        waiting += more
    return replace(contract, criteria=(*contract.criteria, *lines[:MOST_LINES]))


def _read_scripts(command: str, seen: set[str], read: Read) -> Iterator[Criterion]:
    scripts = sorted(path for path in find_paths(command) if path.endswith((".sh", ".bash")))
    makefiles = _MAKEFILES if _MAKE_PROGRAMS & find_programs(command) else ()
    for path in (*scripts, *makefiles):
        text = None if path in seen else read(path)
        seen.add(path)
        for line in (text or "").splitlines():
            wanted = _OWN_FOLDER.sub(f"{path.rpartition('/')[0] or '.'}/", line.strip().lstrip("@-+").replace('"', ""))
            if wanted and not wanted.startswith("#"):
                origin = "m" if path in _MAKEFILES else "k"
                yield Criterion(id=f"{origin}-{path}", text=path, command=wanted)
