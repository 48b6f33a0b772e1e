"""Changes of files for tests, from two sets of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from integrations.git.changes import Change, Side

Files = Mapping[str, str]


def make_side(text: str | None) -> Side | None:
    """A file with this text."""
    if text is None:
        return None
    return Side("100644", hashlib.sha1(text.encode()).hexdigest(), len(text), text)


def make_changes(before: Files, after: Files) -> list[Change]:
    """The paths that differ."""
    both = [Change(p, make_side(before.get(p)), make_side(after.get(p))) for p in sorted(before.keys() | after.keys())]
    return [one for one in both if one.before != one.after]
