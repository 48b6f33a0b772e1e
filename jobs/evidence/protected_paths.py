"""Finds protected paths that a ticket names. Pure; called by `jobs.workflow.preflight`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

from integrations.git.protected_places import PROTECTED_PLACES, PUBLIC_NAMES
from integrations.git.tree_policy import find_protecting_pattern

MOST = 10
_PATH = re.compile(r"(?<![\w/.@:-])[\w.@*-]+(?:/[\w.@*-]+)*/?")
_ADDRESS = re.compile(r"\w+://\S+")
_KEPT = re.compile(r"\b(unchanged|untouched|unmodified|not (?:be )?(?:chang|touch|modif|edit)|without (?:chang|touch))")


def find_protected_paths(text: str, protected: Sequence[str]) -> tuple[str, ...]:
    """The protected paths in the text, in order, at most `MOST`. `protected` are the repository's own patterns.

    A line that asks to leave a path unchanged names none; neither do words without a dot, a slash or capitals only."""
    named = [
        path.rstrip("/.")
        for line in text.splitlines()
        if not _KEPT.search(line.lower())
        for path in _PATH.findall(_ADDRESS.sub(" ", line))
        if "/" in path or "." in path.rstrip(".") or (path.isupper() and len(path) > 3)
    ]
    return tuple(dict.fromkeys(path for path in named if path and _is_protected(path, protected)))[:MOST]


def _is_protected(path: str, own: Sequence[str]) -> bool:
    places = () if find_protecting_pattern(path, PUBLIC_NAMES) else chain.from_iterable(PROTECTED_PLACES.values())
    return bool(find_protecting_pattern(path, (*places, *own)))
