"""What two commits differ in, with contents, and commits that mix the two. Called by `mirror` alone.

Reads objects and writes objects; no worktree is touched, so nothing that an agent planted is followed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from integrations.git.quarantine import contents_of, sizes_of
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import FILE, PROGRAM

MAX_READ = 2**20
_NOTHING = "0" * 40


@dataclass(frozen=True)
class Side:
    """A path in one of the two commits. `mode` is git's; `size` in bytes; `text` is None where the file is no text,
    larger than 1 MiB, or no ordinary file."""

    mode: str
    sha: str
    size: int
    text: str | None


@dataclass(frozen=True)
class Change:
    """One path that two commits differ in. `before` is None for a new file, `after` for a removed one; a rename is two
    changes."""

    path: str
    before: Side | None
    after: Side | None


def read_changes(repository: HostRepository, base: str, sha: str) -> list[Change]:
    """All that differs between two commits, sorted by path."""
    raw = repository.git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", base, sha)
    rows = list(_rows(raw))
    files = {s for _, *sides in rows for mode, s in sides if mode in (FILE, PROGRAM)}
    sizes = sizes_of(repository, sorted(files))
    small = contents_of(repository, sorted(s for s, size in sizes.items() if size <= MAX_READ))
    texts = {s: _text(content) for s, content in small.items()}

    def side(mode: str, s: str) -> Side | None:
        return None if s == _NOTHING else Side(mode, s, sizes.get(s, 0), texts.get(s))

    return [Change(path, side(*old), side(*new)) for path, old, new in rows]


def _rows(raw: bytes) -> Iterator[tuple[str, tuple[str, str], tuple[str, str]]]:
    fields = raw.split(b"\0")
    for head, path in zip(fields[0::2], fields[1::2], strict=False):
        old_mode, mode, old, new, _ = head.decode("ascii").removeprefix(":").split(" ")
        yield path.decode(errors="replace"), (old_mode, old), (mode, new)


def _text(content: bytes) -> str | None:
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None


def write_mix(repository: HostRepository, onto: str, sides: Mapping[str, Side | None]) -> str:
    """A commit on `onto` in which the paths are as `sides` has them (None: gone). The same input gives the same sha."""
    lines = (f"{s.mode if s else 0} {s.sha if s else _NOTHING}\t{path}" for path, s in sorted(sides.items()))
    with tempfile.TemporaryDirectory(prefix="loopline-index-") as folder:
        environment = {"GIT_INDEX_FILE": str(Path(folder) / "index"), **_nobody()}
        repository.git("read-tree", onto, environment=environment)
        repository.git("update-index", "-z", "--index-info", stdin=_joined(lines), environment=environment)
        tree = repository.git("write-tree", environment=environment).decode().strip()
        made = repository.git("commit-tree", tree, "-p", onto, "-F", "-", stdin=b"mixed\n", environment=environment)
    return made.decode().strip()


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\0" for line in lines).encode()


def _nobody() -> dict[str, str]:
    person = {"NAME": "Loopline", "EMAIL": "loopline@users.noreply.github.com", "DATE": "@0 +0000"}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}
