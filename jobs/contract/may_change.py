"""The line 'May change: a, b' of a list of acceptance criteria: existing tests, snapshots, CI and configuration files
that the work may change without a further question. Pure; called by `jobs.contract.criteria` and
`jobs.contract.agreement`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

from integrations.git.protected_places import PROTECTED_PLACES
from integrations.git.tree_policy import find_protecting_pattern

MOST_PATTERNS, MOST_CHARACTERS = 20, 200
_LINE = re.compile(
    r"^[ \t]*(?:(?:[-*+•]|\d+[.)])[ \t]+)?[*_]*may change[*_]*[ \t]*:[*_]*(?P<rest>.*)$", re.IGNORECASE | re.MULTILINE
)
_PATTERN = re.compile(r"[\w@.*][\w@./*+?\[\]-]*")
_WILDCARD = re.compile(r"[*?\[]")


def read_may_change(line: str) -> tuple[str, ...] | None:
    """The path patterns of such a line, empty for 'May change: nothing'; None for any other line."""
    found = _LINE.match(line)
    return clean_patterns(re.split(r"[,;\s]+", found["rest"])) if found else None


def clean_patterns(given: Iterable[str]) -> tuple[str, ...]:
    """Path patterns without marks: those that name a path or a file, each once, at most `MOST_PATTERNS`."""
    bare = (one.strip("`'\"() ").removeprefix("./").lstrip("/").rstrip(".") for one in given)
    kept = (f"{one}**" if one.endswith("/") else one for one in bare if is_pattern(one))
    return tuple(dict.fromkeys(kept))[:MOST_PATTERNS]


def is_pattern(text: str) -> bool:
    """Whether the text can be a path pattern relative to the repository's root."""
    named = "/" in text or "." in text or "*" in text or text[:1].isupper()
    return named and len(text) <= MOST_CHARACTERS and ".." not in text and bool(_PATTERN.fullmatch(text))


def split_may_change(answer: str) -> tuple[str, tuple[str, ...] | None]:
    """A person's answer without such lines, and their patterns; None without one."""
    lines = [found for line in answer.splitlines() if (found := read_may_change(line)) is not None]
    return _LINE.sub("", answer), tuple(dict.fromkeys(chain.from_iterable(lines))) if lines else None


def can_reach_protected(patterns: Sequence[str], own: Sequence[str]) -> bool:
    """Whether one of the patterns allows changes of CI or of a protected path; `own` are the repository's own globs. A
    pattern that begins with a wildcard can."""
    places = (*chain.from_iterable(PROTECTED_PLACES.values()), *own)
    return any(
        _WILDCARD.search(pattern.partition("/")[0])
        or find_protecting_pattern(pattern, places)
        or find_protecting_pattern(_WILDCARD.split(pattern)[0].rstrip("/"), places)
        for pattern in patterns
    )
