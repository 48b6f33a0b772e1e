"""What is behind a command: the lines of the shell scripts and Makefiles that it goes through. Called by
`jobs.roles.gate`.

A check that only starts a script is as strong as what that script starts. Acts only through `read`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from jobs.evidence.tampering.paths import named_in, programs_of
from jobs.loop.state import Contract, Criterion

Read = Callable[[str], str | None]
MOST_LINES = 1_000
_MAKERS = frozenset({"make", "gmake"})
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_BESIDE = re.compile(r"\$\(\s*dirname\s+(--\s+)?\$(0|\{BASH_SOURCE\[0\]\}|BASH_SOURCE)\s*\)/|\$\{0%/\*\}/")
"""The folder of the script itself; quotes are left out before."""


def with_scripts(contract: Contract, read: Read) -> Contract:
    """The contract and a criterion for each line behind its commands, for the guard only: they are never run.

    `read` gives a file of the base commit, None where there is none. A script's lines count as a check's own commands;
    of a Makefile, which builds other things too, only what is called a check does."""
    seen: set[str] = set()
    lines: list[Criterion] = []
    waiting = [criterion for criterion in contract.criteria if criterion.command]
    while waiting and len(lines) < MOST_LINES:
        more = list(_behind(waiting.pop(0).command, seen, read))
        lines += more
        waiting += more
    return contract.model_copy(update={"criteria": (*contract.criteria, *lines[:MOST_LINES])})


def _behind(command: str, seen: set[str], read: Read) -> Iterator[Criterion]:
    scripts = sorted(path for path in named_in(command) if path.endswith((".sh", ".bash")))
    makefiles = _MAKEFILES if _MAKERS & programs_of(command) else ()
    for path in (*scripts, *makefiles):
        text = None if path in seen else read(path)
        seen.add(path)
        for line in (text or "").splitlines():
            wanted = _BESIDE.sub(f"{path.rpartition('/')[0] or '.'}/", line.strip().lstrip("@-+").replace('"', ""))
            if wanted and not wanted.startswith("#"):
                origin = "m" if path in _MAKEFILES else "k"
                yield Criterion(id=f"{origin}-{path}", text=path, command=wanted)
