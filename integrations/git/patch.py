"""The patch between two commits, as agents read it: bounded in size, memory and time. Called by `mirror` only.

Files that no agent reads line by line are listed with their sizes and without their lines: those that the caller names,
large ones, and those that exceed the bound of all files together.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from integrations.git.changes import list_sides
from integrations.git.quarantine import read_sizes
from integrations.git.repository import HostRepository

LARGEST_FILE = 512 * 2**10
_MOST_READ = 16 * 2**20
"""Bytes of all files whose lines are compared."""
_MOST_LISTED, _MOST_ORDERED = 200, 500
_GLOB = str.maketrans({one: f"\\{one}" for one in "\\*?["})
_QUOTE = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def read_patch(repository: HostRepository, base: str, sha: str, max_bytes: int, unread: Collection[str] = ()) -> str:
    """The summary of all files and the patch, truncated after `max_bytes`. `unread` are paths without lines.

    Files of folders with few changes come first: generated files come in crowds."""
    sizes = _read_file_sizes(repository, base, sha)
    omitted, read = set(unread) & sizes.keys(), 0
    for path in sorted(sizes, key=lambda path: (sizes[path], path)):
        if path not in omitted and (sizes[path] > LARGEST_FILE or read + sizes[path] > _MOST_READ):
            omitted.add(path)
        read += 0 if path in omitted else sizes[path]
    options = ("-p", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", f"--stat-count={_MOST_LISTED}")
    with tempfile.TemporaryDirectory(prefix="loopline-patch-") as folder:
        attributes, order = Path(folder) / "attributes", Path(folder) / "order"
        attributes.write_text("".join(f'"/{_quote(path)}" -diff\n' for path in sorted(omitted)), errors="replace")
        order.write_text("".join(f"{line}\n" for line in _list_first(list(sizes))), errors="replace")
        patch = repository.git(
            "diff-tree", *options, "--stat", f"-O{order}", base, sha, settings=[f"core.attributesFile={attributes}"]
        )
    text = patch[:max_bytes].decode(errors="replace")
    note = f"[{len(omitted):,} generated, lock, binary or large files are listed without their lines]\n" * bool(omitted)
    return note + (text if len(patch) <= max_bytes else f"{text}\n[... {len(patch) - max_bytes} bytes cut ...]\n")


def _read_file_sizes(repository: HostRepository, base: str, sha: str) -> dict[str, int]:
    """The bytes of both sides of each changed file."""
    rows = list_sides(repository, base, sha)
    known = read_sizes(repository, sorted({one for _, sides in rows for one in sides}))
    return {path: sum(known.get(one, 0) for one in sides) for path, sides in rows}


def _quote(path: str) -> str:
    """The path as a quoted pattern of gitattributes."""
    return path.translate(_GLOB).translate(_QUOTE)


def _list_first(paths: Sequence[str]) -> list[str]:
    """Patterns for the paths that come first, those of folders with few changes."""
    crowd = Counter(path.rpartition("/")[0] for path in paths)
    ordered = sorted(paths, key=lambda path: (crowd[path.rpartition("/")[0]], path))
    return [path.translate(_GLOB) for path in ordered if "\n" not in path][:_MOST_ORDERED]
