"""Validates a pack from a sandbox before any of its objects reaches the mirror. Called by `mirror.receive`.

The pack is untrusted: it is indexed strictly in a separate bare repository that borrows the mirror's objects, then its
commit is checked for existence, completeness, ancestry and content.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from integrations.errors import OverLimit, Rejected, Unchangeable
from integrations.git import tree_policy
from integrations.git.lfs_pointer import MAX_POINTER, Pointer, parse_pointer
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import FILE, GITLINK, LINK, PROGRAM, TreeEntry, TreeLimits

SHA = re.compile(r"[0-9a-f]{40}")
_MAX_LINK = 4096
_TYPE = "--batch-check=%(objecttype)"


@contextmanager
def open_quarantine(objects: Path, beside: Path, name: str) -> Iterator[HostRepository]:
    """A temporary bare repository in the folder `beside` that also reads `objects`.

    Remains of a killed process with this `name` are deleted first; a process that was only frozen then fails."""
    folder = beside / f".quarantine-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        repository = HostRepository(folder)
        repository.initialise()
        alternates = folder / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_text(f"{objects}\n")
        yield repository
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def index_pack(repository: HostRepository, pack: bytes | Path, max_bytes: int) -> None:
    """Index the pack with git's strict checks; does nothing for an empty one. Raises `Rejected` for bad objects."""
    size = len(pack) if isinstance(pack, bytes) else pack.stat().st_size
    if size > max_bytes:
        raise OverLimit(f"the change is refused: its pack has {size} bytes, more than the {max_bytes} allowed", "pack")
    if size == 0:
        return
    arguments = ("index-pack", "--strict", "--fix-thin", "--stdin", f"--max-input-size={max_bytes}")
    if isinstance(pack, bytes):
        repository.git(*arguments, stdin=pack)
        return
    with pack.open("rb") as file:
        repository.git(*arguments, stdin=file)


def check_commit(repository: HostRepository, tip: str, base: str, limits: TreeLimits, upstream: str = "") -> None:
    """Raise `Rejected` unless `tip` is a complete commit on top of `base` whose changes the policy allows. Files that
    are those of the commit of `upstream` that it merged are no changes."""
    for sha in (tip, base):
        stdin = f"{sha}\n".encode()
        if not SHA.fullmatch(sha) or repository.git("cat-file", _TYPE, stdin=stdin).split()[-1] != b"commit":
            raise Rejected(f"the change is refused: {sha[:40]!r} is not a known commit")
    try:
        repository.git("rev-list", "--objects", "--quiet", tip, f"^{base}")
    except Rejected as error:
        raise Rejected(f"the change is refused: objects of {tip} are missing ({error})") from error
    if not repository.succeeds("merge-base", "--is-ancestor", base, tip):
        raise Rejected(f"the change is refused: {tip} does not descend from {base}")
    entries = _read_entries(repository, base, tip)
    if merged := (repository.query("merge-base", upstream, tip) or b"").decode().strip() if upstream else "":
        own = repository.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", merged, tip).split(b"\0")
        entries = [entry for entry in entries if entry.path in set(own)]
    if found := tree_policy.find_violations(entries, limits):
        exceeded = tree_policy.find_exceeded_limits(entries, limits)
        if len(exceeded) == len(found):
            raise OverLimit(tree_policy.format_violations(found), exceeded[0][0])
        if not tree_policy.find_violations([one for one in entries if not one.is_outside], limits):
            raise Unchangeable(tree_policy.format_violations(found))
        raise Rejected(tree_policy.format_violations(found))


def _read_entries(repository: HostRepository, base: str, tip: str) -> list[TreeEntry]:
    raw = repository.git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", base, tip)
    entries = tree_policy.parse_raw_diff(raw)
    sizes = read_sizes(repository, [entry.sha for entry in entries if entry.mode and entry.mode != GITLINK])
    entries = [replace(entry, size=sizes.get(entry.sha, 0)) for entry in entries]
    links = [entry.sha for entry in entries if entry.mode == LINK and entry.size <= _MAX_LINK]
    targets = read_contents(repository, links)
    entries = [replace(entry, target=targets.get(entry.sha, b"")) if entry.mode == LINK else entry for entry in entries]
    pointers = find_pointers(repository, {sha for entry in entries for sha in _list_files(entry)})
    return [replace(entry, pointer=any(sha in pointers for sha in _list_files(entry))) for entry in entries]


def _list_files(entry: TreeEntry) -> list[str]:
    """The blobs of both sides that are regular files."""
    return [sha for mode, sha in ((entry.old_mode, entry.old_sha), (entry.mode, entry.sha)) if mode in (FILE, PROGRAM)]


def read_sizes(repository: HostRepository, shas: Sequence[str]) -> dict[str, int]:
    """The objects' sizes in bytes, by sha."""
    stdin = "".join(f"{sha}\n" for sha in shas).encode()
    answer = repository.git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin) if shas else b""
    rows = [line.split() for line in answer.decode().splitlines()]
    if missing := [sha for sha, size in rows if size == "missing"]:
        raise repository.report_damage(f"the object {missing[0]} of {repository.name} is missing")
    return {sha: int(size) for sha, size in rows}


def read_contents(repository: HostRepository, shas: Sequence[str]) -> dict[str, bytes]:
    """The objects' contents, by sha. All are held in memory, so the caller bounds their size."""
    stdin = "".join(f"{sha}\n" for sha in shas).encode()
    stream = BytesIO(repository.git("cat-file", "--batch=%(objectname) %(objectsize)", stdin=stdin) if shas else b"")
    found = {}
    while line := stream.readline():
        sha, size = line.decode().split()
        found[sha] = stream.read(int(size))
        stream.read(1)
    return found


def find_pointers(repository: HostRepository, shas: Iterable[str]) -> dict[str, Pointer]:
    """The pointers of Git LFS among these blobs, by sha."""
    sizes = read_sizes(repository, sorted(set(shas)))
    small = [sha for sha, size in sizes.items() if size <= MAX_POINTER]
    found = {sha: parse_pointer(content) for sha, content in read_contents(repository, small).items()}
    return {sha: pointer for sha, pointer in found.items() if pointer}


def move_objects(repository: HostRepository, objects: Path) -> None:
    """Move the validated objects into `objects`; the index comes last, because git looks for it."""
    packs = repository.folder / "objects" / "pack"
    for suffix in ("pack", "rev", "idx"):
        for file in packs.glob(f"*.{suffix}"):
            (objects / "pack").mkdir(exist_ok=True)
            file.replace(objects / "pack" / file.name)
