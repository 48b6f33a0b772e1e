"""Where a pack from a sandbox is judged before one object of it reaches the mirror. Called by `mirror.receive`.

The pack is data from an attacker: it is indexed strictly in a bare repository of its own that only borrows the mirror's
objects, then the commit it claims is checked for existence, completeness, ancestry and content.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from integrations.errors import Rejected
from integrations.git.repository import HostRepository
from integrations.git.tree_policy import GITLINK, LINK, TreeEntry, TreeLimits, parse, sentence, violations

SHA = re.compile(r"[0-9a-f]{40}")
_MAX_LINK = 4096


@contextmanager
def quarantine(objects: Path, beside: Path, name: str) -> Iterator[HostRepository]:
    """A bare repository that reads `objects` too, in a folder `beside`; gone afterwards.

    What a killed process left under this `name` is cleared first; one that was only frozen fails when it goes on."""
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


def index(repository: HostRepository, pack: bytes | Path, max_bytes: int) -> None:
    """Unpack strictly; an empty pack is nothing. Raises `Rejected` for objects that git itself finds hostile."""
    size = len(pack) if isinstance(pack, bytes) else pack.stat().st_size
    if size > max_bytes:
        raise Rejected(f"the change is refused: its pack has {size} bytes, more than the {max_bytes} allowed")
    if size == 0:
        return
    arguments = ("index-pack", "--strict", "--fix-thin", "--stdin", f"--max-input-size={max_bytes}")
    if isinstance(pack, bytes):
        repository.git(*arguments, stdin=pack)
        return
    with pack.open("rb") as file:
        repository.git(*arguments, stdin=file)


def judge(repository: HostRepository, tip: str, base: str, limits: TreeLimits) -> None:
    """Raise `Rejected` unless `tip` is a complete commit on top of `base` whose changes the policy allows."""
    for sha in (tip, base):
        if not SHA.fullmatch(sha) or _kind(repository, sha) != "commit":
            raise Rejected(f"the change is refused: {sha[:40]!r} is no commit that we have")
    try:
        repository.git("rev-list", "--objects", "--quiet", tip, f"^{base}")
    except Rejected as error:
        raise Rejected(f"the change is refused: objects of {tip} are missing ({error})") from error
    if not repository.succeeds("merge-base", "--is-ancestor", base, tip):
        raise Rejected(f"the change is refused: {tip} does not descend from {base}")
    if found := violations(_entries(repository, base, tip), limits):
        raise Rejected(sentence(found))


def _kind(repository: HostRepository, sha: str) -> str:
    return repository.git("cat-file", "--batch-check=%(objecttype)", stdin=f"{sha}\n".encode()).decode().split()[-1]


def _entries(repository: HostRepository, base: str, tip: str) -> list[TreeEntry]:
    raw = repository.git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", base, tip)
    entries = parse(raw)
    sizes = sizes_of(repository, [entry.sha for entry in entries if entry.mode and entry.mode != GITLINK])
    entries = [replace(entry, size=sizes.get(entry.sha, 0)) for entry in entries]
    links = [entry.sha for entry in entries if entry.mode == LINK and entry.size <= _MAX_LINK]
    targets = contents_of(repository, links)
    return [replace(entry, target=targets.get(entry.sha, b"")) if entry.mode == LINK else entry for entry in entries]


def sizes_of(repository: HostRepository, shas: Sequence[str]) -> dict[str, int]:
    """The objects' sizes in bytes."""
    question = "".join(f"{sha}\n" for sha in shas).encode()
    answer = repository.git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=question) if shas else b""
    return {sha: int(size) for sha, size in (line.split() for line in answer.decode().splitlines())}


def contents_of(repository: HostRepository, shas: Sequence[str]) -> dict[str, bytes]:
    """The objects' contents, all in memory: ask for what is bounded."""
    question = "".join(f"{sha}\n" for sha in shas).encode()
    stream = BytesIO(repository.git("cat-file", "--batch=%(objectname) %(objectsize)", stdin=question) if shas else b"")
    found = {}
    while line := stream.readline():
        sha, size = line.decode().split()
        found[sha] = stream.read(int(size))
        stream.read(1)
    return found


def release(repository: HostRepository, objects: Path) -> None:
    """Move the judged objects into `objects`; the index comes last, since git looks for that."""
    packs = repository.folder / "objects" / "pack"
    for suffix in ("pack", "rev", "idx"):
        for file in packs.glob(f"*.{suffix}"):
            (objects / "pack").mkdir(exist_ok=True)
            file.replace(objects / "pack" / file.name)
