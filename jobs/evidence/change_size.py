"""Measures a change for its reviewer: size, folders, and the files to read first. Pure. Called by `jobs.roles.gate`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from itertools import takewhile

from integrations.git.changes import Change, Side
from integrations.results import ChangedFile, ChangedFolder, ChangeSize, FileKind
from jobs.evidence.generated_files import find_generated
from jobs.evidence.proof.layout import Layout, PathKind

MOST_FIRST, MOST_FOLDERS = 20, 12
DEFAULT_LAYOUT = Layout()
_ORDER: tuple[FileKind, ...] = ("code", "dependencies", "configuration", "test", "document")
_KINDS: dict[PathKind, FileKind] = {
    "product": "code", "test": "test", "data": "test", "configuration": "configuration", "manifest": "dependencies",
    "document": "document",
}  # fmt: skip
_SENSITIVE = re.compile(
    r"(?<![a-z])(auth\w*|login|passwords?|secrets?|crypt\w*|permissions?|acl|access|payments?|billing|invoices?"
    r"|migrations?|schema|security|tokens?|sessions?|deploy\w*|docker\w*|terraform)(?![a-z])"
)


def measure_change(
    changes: Sequence[Change], layout: Layout = DEFAULT_LAYOUT, attributes: str = "", flagged: Collection[str] = ()
) -> ChangeSize:
    """The size of a change. `attributes` is the base commit's `.gitattributes`, `flagged` are the paths that a person
    has to approve."""
    generated = find_generated((change.path for change in changes), attributes)
    files = [_describe(change, layout, is_generated=change.path in generated) for change in changes]
    read = [one for one in files if one.kind not in ("generated", "binary")]
    return ChangeSize(
        files=len(read),
        lines=sum(one.lines for one in read),
        skipped=len(files) - len(read),
        first=tuple(sorted(read, key=lambda one: _rank(one, flagged))[:MOST_FIRST]),
        folders=_sum_folders(read)[:MOST_FOLDERS],
    )


def _describe(change: Change, layout: Layout, *, is_generated: bool) -> ChangedFile:
    path, sides = change.path, [side for side in (change.before, change.after) if side]
    if is_generated:
        return ChangedFile(path=path, kind="generated")
    if any(side.text is None for side in sides):
        return ChangedFile(path=path, kind="binary")
    before, after = _count_lines(change.before), _count_lines(change.after)
    named = _SENSITIVE.search(path.lower())
    return ChangedFile(
        path=path,
        kind=_KINDS[layout.classify(path)],
        added=(after - before).total(),
        removed=(before - after).total(),
        sensitive=named[0] if named else "",
    )


def _count_lines(side: Side | None) -> Counter[str]:
    return Counter((side.text or "").splitlines() if side else ())


def _rank(one: ChangedFile, flagged: Collection[str]) -> tuple[bool, bool, int, int, str]:
    """Sorts by risk: needs approval, sensitive path, kind, changed lines."""
    is_sensitive = bool(one.sensitive) and one.kind not in ("test", "document")
    return one.path not in flagged, not is_sensitive, _ORDER.index(one.kind), -one.lines, one.path


def _sum_folders(files: Sequence[ChangedFile]) -> tuple[ChangedFolder, ...]:
    """The folders into which the change could be split: below the common parent of all changed files."""
    common = _find_common_depth([one.path for one in files])
    parts: defaultdict[str, list[ChangedFile]] = defaultdict(list)
    for one in files:
        folders = one.path.split("/")[:-1]
        parts["/".join(folders[: common + 1])].append(one)
    found = [
        ChangedFolder(path=path, files=len(those), lines=sum(one.lines for one in those))
        for path, those in parts.items()
    ]
    return tuple(sorted(found, key=lambda folder: (-folder.lines, folder.path)))


def _find_common_depth(paths: Sequence[str]) -> int:
    """The number of parent folders that all paths share."""
    folders = [path.split("/")[:-1] for path in (min(paths, default=""), max(paths, default=""))]
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(*folders, strict=False))))
