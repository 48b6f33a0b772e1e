"""PROVISIONAL"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass
class Falsified:
    text: str
    places: int


def falsify(path: str, before: str | None, after: str) -> Falsified | None:
    old = set((before or "").splitlines())
    lines = []
    n = 0
    for line in after.splitlines():
        if line not in old and "assert" in line:
            new = re.sub(r"(\d+)(?!.*\d)", lambda m: str(int(m[1]) + 7919), line)
            n += new != line
            line = new
        lines.append(line)
    return Falsified("\n".join(lines) + "\n", n) if n else None
