"""Which files git ignores, by the `.gitignore` files of a work tree. Called by `layer_walk`; pure.

The patterns are an agent's, so their number and the effort of one match are bounded: a pattern beyond the bounds has no
effect. Documentation of the format: https://git-scm.com/docs/gitignore.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

MAX_BYTES = 2**18
_MAX_PATTERNS = 2000
_MAX_PATH = 1024
_MAX_LINE = 256
# A regular expression backtracks over each wildcard, so the effort grows with the power of their number.
_MAX_STARS, _MAX_DOUBLE_STARS = 4, 2
_STARS = re.compile(r"\*+")


@dataclass(frozen=True)
class _Pattern:
    regex: re.Pattern[str]
    ignores: bool

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the path itself, and not only a folder that it is in."""
        is_for_parents = "ps_d" in self.regex.groupindex
        if not self.regex.pattern.startswith("^"):  # `*/` and `**`
            return not is_for_parents or path.endswith("/")
        found = self.regex.match(path)
        return found is not None and (not is_for_parents or found.end() == len(path))


@dataclass(frozen=True)
class IgnoreRules:
    """The rules that apply in one folder: each file's folder, as 'a/b/' or '', and its patterns; the root's first."""

    files: tuple[tuple[str, tuple[_Pattern, ...]], ...] = ()

    def extend(self, folder: str, content: bytes) -> IgnoreRules:
        """These rules with those of the `.gitignore` in `folder`, for the folders below it."""
        return IgnoreRules((*self.files, (folder, _compile_patterns(content))))

    def is_ignored(self, path: str) -> bool:
        """Whether the path is ignored; that of a folder ends with '/'. Its parents are not."""
        if len(path) > _MAX_PATH:
            return False
        for folder, patterns in reversed(self.files):
            for pattern in reversed(patterns):
                if pattern.matches(path[len(folder) :]):
                    return pattern.ignores
        return False


@functools.lru_cache(maxsize=256)
def _compile_patterns(content: bytes) -> tuple[_Pattern, ...]:
    lines = content.decode("utf-8-sig", errors="surrogateescape").splitlines()
    return tuple(pattern for line in lines[:_MAX_PATTERNS] for pattern in _compile_line(line))


def _compile_line(line: str) -> Iterator[_Pattern]:
    """One pattern, or none for a comment, for one beyond the bounds and for an invalid one."""
    stars = _STARS.findall(line)
    if len(line) > _MAX_LINE or len(stars) > _MAX_STARS or sum(len(s) > 1 for s in stars) > _MAX_DOUBLE_STARS:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's, about the form of a pattern
            compiled = GitIgnoreSpec.from_lines([line], backend="simple").patterns
    except (ValueError, re.error):
        return
    for pattern in compiled:
        if pattern.include is not None and isinstance(pattern.regex, re.Pattern):
            yield _Pattern(pattern.regex, pattern.include)
