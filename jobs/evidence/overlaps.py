"""Files that two tickets edit. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from integrations.git.tree_policy import find_protecting_pattern
from jobs.loop.overlap_policy import COMMON_FILES

MAX_CLAIMED, MAX_PATH = 500, 300
_GLOB = re.compile(r"[*?\[{]")
_REFERENCE = re.compile(r"(?::\d+(?:-\d+)?)+$")


def list_claimed(paths: Iterable[str], ignore: Sequence[str]) -> tuple[str, ...]:
    """The files and folders that a ticket claims, at most `MAX_CLAIMED`. A glob counts as its folder.

    Common files, those that `ignore` matches and folders at the root are left out: too many changes touch them."""
    kept: dict[str, None] = {}
    for path in paths:
        plain = _normalize(path)
        is_folder = path.rstrip().endswith("/") or plain != path.strip().removeprefix("./")
        is_wide = "/" not in plain and is_folder
        if plain and len(plain) <= MAX_PATH and not is_wide and not is_ignored(plain, ignore):
            kept[plain] = None
    return tuple(kept)[:MAX_CLAIMED]


def is_ignored(path: str, ignore: Sequence[str]) -> bool:
    """Whether tickets do not wait for this file, nor count its lines."""
    return bool(find_protecting_pattern(path, (*COMMON_FILES, *ignore)))


def _normalize(path: str) -> str:
    """The path below the root, without the glob's part and without a line number; empty outside of the repository."""
    text = _REFERENCE.sub("", path.strip().strip("`").removeprefix("./"))
    if glob := _GLOB.search(text):
        text = text[: glob.start()].rpartition("/")[0]
    parts = text.strip("/").split("/")
    return "" if text.startswith("/") or {"", ".", ".."} & set(parts) else "/".join(parts)


def find_common(mine: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The files of `mine` and `others` that are equal, or below a folder of the other side; sorted."""
    found = set(mine) & set(others)
    for folders, files in ((mine, others), (others, mine)):
        wide = tuple(f"{folder}/" for folder in folders if "/" in folder)
        found |= {file for file in files if file.startswith(wide)} if wide else set()
    return tuple(sorted(found))
