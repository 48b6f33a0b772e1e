"""Diffs between two commits, with contents, and commits that mix their files. Called by `mirror` only.

Reads and writes git objects and never a worktree, so it cannot follow a link that an agent planted.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from integrations.git.quarantine import read_contents, read_sizes
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import FILE, PROGRAM

MAX_READ, MAX_TOTAL = 2**20, 2**27
Row = tuple[str, tuple[str, str], tuple[str, str]]
"""A path with mode and sha before and after."""
_NULL_SHA = "0" * 40


@dataclass(frozen=True)
class Side:
    """A path in one of the two commits. `mode` is git's; `size` is in bytes; `text` is None for binary files, files
    above 1 MiB and anything that is not a regular file. A new text that is not written yet has no `sha`."""

    mode: str
    sha: str
    size: int
    text: str | None


@dataclass(frozen=True)
class Change:
    """A path that differs between two commits. `before` is None for an added file, `after` for a removed one; a rename
    is two changes."""

    path: str
    before: Side | None
    after: Side | None


def read_changes(
    repository: HostRepository, base: str, sha: str, max_read: int = MAX_READ, max_total: int = MAX_TOTAL
) -> list[Change]:
    """Every path that differs between two commits, sorted; files above `max_read` bytes have no text, nor those above
    `max_total` bytes together, of which small ones are read first."""
    rows = list(_list_rows(repository, base, sha))
    files = {s for _, *sides in rows for mode, s in sides if mode in (FILE, PROGRAM)}
    sizes = read_sizes(repository, sorted(files))
    contents = read_contents(repository, _choose_read(sizes, max_read, max_total))
    texts = {s: _decode_text(content) for s, content in contents.items()}

    def make_side(mode: str, s: str) -> Side | None:
        return None if s == _NULL_SHA else Side(mode, s, sizes.get(s, 0), texts.get(s))

    return [Change(path, make_side(*old), make_side(*new)) for path, old, new in rows]


def _list_rows(repository: HostRepository, base: str, sha: str) -> Iterator[Row]:
    return _parse_rows(repository.git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", base, sha))


def list_sides(repository: HostRepository, base: str, sha: str) -> list[tuple[str, list[str]]]:
    """Every path that differs between two commits, with the blobs of its sides that are regular files."""
    rows = _list_rows(repository, base, sha)
    return [(path, [s for mode, s in sides if mode in (FILE, PROGRAM)]) for path, *sides in rows]


def _choose_read(sizes: Mapping[str, int], max_read: int, max_total: int) -> list[str]:
    chosen, total = [], 0
    for s, size in sorted(sizes.items(), key=lambda one: (one[1], one[0])):
        total += size
        if size > max_read or total > max_total:
            break
        chosen.append(s)
    return chosen


def read_added_lines(change: Change) -> list[tuple[int, str]]:
    """Number and text of each line that the change adds to its file; a moved line within the file does not count."""
    before = Counter((change.before.text or "").splitlines() if change.before else ())
    added = []
    for number, line in enumerate((change.after.text or "").splitlines() if change.after else (), 1):
        if before[line] > 0:
            before[line] -= 1
        else:
            added.append((number, line))
    return added


def _parse_rows(raw: bytes) -> Iterator[Row]:
    fields = raw.split(b"\0")
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, mode, old, new, _ = head.decode("ascii").removeprefix(":").split(" ")
        yield path.decode(errors="replace"), (old_mode, old), (mode, new)


def _decode_text(content: bytes) -> str | None:
    """The text without a byte order mark. If not UTF-8, as Latin-1, so that the tamper guard sees it."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def write_mixed_commit(
    repository: HostRepository, onto: str, sides: Mapping[str, Side | None], parent: str = ""
) -> str:
    """A child commit of `parent`, by default `onto`, with the tree of `onto` and these paths replaced (None: removed;
    a side without a sha: by its text). Idempotent: equal input, equal sha."""
    person = build_identity("Loopline", "loopline@users.noreply.github.com", 0)
    tree = _write_mixed_tree(repository, onto, sides) if sides else f"{onto}^{{tree}}"
    made = repository.git("commit-tree", tree, "-p", parent or onto, "-F", "-", stdin=b"mixed\n", environment=person)
    return made.decode().strip()


def _write_mixed_tree(repository: HostRepository, onto: str, sides: Mapping[str, Side | None]) -> str:
    written = write_blobs(repository, {path: s.text or "" for path, s in sides.items() if s and not s.sha})
    sides = {path: replace(s, sha=written[path]) if s and path in written else s for path, s in sides.items()}
    ordered = sorted(sides.items(), key=lambda one: (one[1] is not None, one[0]))  # a file can replace a folder
    lines = (f"{s.mode if s else 0} {s.sha if s else _NULL_SHA}\t{path}\0" for path, s in ordered)
    with tempfile.TemporaryDirectory(prefix="loopline-index-") as folder:
        environment = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        repository.git("read-tree", onto, environment=environment)
        repository.git("update-index", "-z", "--index-info", stdin="".join(lines).encode(), environment=environment)
        return repository.git("write-tree", environment=environment).decode().strip()


def write_blobs(repository: HostRepository, texts: Mapping[str, str]) -> dict[str, str]:
    """The shas of these texts by their names, written as blobs by one process."""
    with tempfile.TemporaryDirectory(prefix="loopline-blobs-") as folder:
        for number, text in enumerate(texts.values()):
            (Path(folder) / str(number)).write_bytes(text.encode())
        listed = "".join(f"{folder}/{number}\n" for number in range(len(texts))).encode()
        made = repository.git("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listed) if texts else b""
    return dict(zip(texts, made.decode().split(), strict=True))


def build_identity(name: str, email: str, when: int) -> dict[str, str]:
    """git's environment variables for author and committer; `when` is in Unix seconds."""
    person = {"NAME": name, "EMAIL": email, "DATE": f"@{when} +0000"}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}
