"""Clean checkouts of base commits, shared by all runs as the lower layer of their work trees. Called by `mirror`.

- <sha>/tree: the checkout, with a `.git` file for the private git directory of a run
- <sha>/index: git's index of it, to be copied
- <sha>/bytes: its size
- <sha>/uses: one file for each workspace above it, with the workspace's path

Of a commit with submodules or files of Git LFS there can be several: <sha> without and <sha>+submodules, <sha>+lfs and
<sha>+submodules+lfs with their content.

A tree is made once, in a draft that is renamed when it is complete, and never written again: sandboxes mount it as a
lower layer only, and no path inside leads to it. Only the host's git runs here, on the mirror's objects.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from integrations.disk import walk
from integrations.failpoints import fail
from integrations.git import trash
from integrations.git.lfs import check_out_large_files, list_large_files
from integrations.git.locks import file_lock
from integrations.git.quarantine import SHA
from integrations.git.repository import HostRepository
from integrations.git.submodules import check_out_submodules, list_gitlinks
from integrations.sandbox.environment import GIT_DIR
from integrations.sandbox.identity import hand_over, open_to_sandbox

KEPT = 2
"""Unused trees that a repository keeps for its next tickets."""
_WITH_SUBMODULES, _WITH_LFS = "+submodules", "+lfs"
_TIMEOUT = 1800.0  # seconds
_log = structlog.get_logger(__name__)


class BaseTrees:
    """The base trees of one repository in `folder`. Objects, threads and processes can share one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trash = folder / trash.TRASH

    def acquire(
        self, repository: HostRepository, sha: str, user: Path, submodules: bool = False, lfs: bool = False
    ) -> Path:
        """The folder of the tree of commit `sha`, made if it is missing, with the files of its `submodules` and the
        content of Git `lfs`. It is kept while the folder `user` exists.

        Concurrent callers wait for the first. Raises `Rejected` for a tree that no checkout on this host can have."""
        with file_lock(self._find_lock(sha)):
            with_submodules = submodules and bool(list_gitlinks(repository, sha))
            with_lfs = lfs and bool(list_large_files(repository, sha))
            name = f"{sha}{_WITH_SUBMODULES * with_submodules}{_WITH_LFS * with_lfs}"
            if not (found := self.folder / name).is_dir():
                self._make(repository, sha, found, with_submodules, with_lfs)
            use = found / "uses" / hashlib.sha256(os.fsencode(user)).hexdigest()[:32]
            use.write_bytes(os.fsencode(user))
            os.utime(found / "uses")
        return found

    def _find_lock(self, sha: str) -> Path:
        """At most 256 lock files, which are never deleted."""
        return self.folder / ".locks" / sha[:2]

    def _make(self, repository: HostRepository, sha: str, found: Path, submodules: bool, lfs: bool) -> None:
        draft = found.with_name(f"{found.name}.new")
        trash.discard(draft, self.trash)  # of a process that was killed
        (draft / "tree").mkdir(parents=True)
        place = {"GIT_INDEX_FILE": str(draft / "index"), "GIT_WORK_TREE": str(draft / "tree")}
        try:
            repository.git("read-tree", "--reset", "-u", sha, environment=place, timeout=_TIMEOUT)
            if submodules:
                check_out_submodules(repository, sha, draft / "tree")
            if lfs:
                check_out_large_files(repository, sha, draft / "tree", draft / "index")
            (draft / "tree" / ".git").write_text(f"gitdir: {GIT_DIR}\n")
            size = 0
            hand_over(draft / "tree")
            for path, state in walk(str(draft / "tree")):
                hand_over(Path(path))  # overlays do not copy files of an unknown owner
                size += state.st_blocks * 512
            (draft / "bytes").write_text(str(size))
            (draft / "uses").mkdir()
            open_to_sandbox(draft)
            fail("base_tree.create", "before")
            draft.rename(found)
            fail("base_tree.create", "done")
        except BaseException:
            trash.discard(draft, self.trash)
            raise
        _log.info("base tree created", repository=repository.name, sha=sha, bytes=size)
        self.evict(KEPT)

    def evict(self, keep: int) -> int:
        """Discard the least recently used trees until `keep` unused ones are left. Returns the bytes that are freed."""
        unused = [tree for tree in self._list() if not _list_users(tree)]
        unused.sort(key=lambda tree: (tree / "uses").stat().st_mtime, reverse=True)
        return sum(map(self._discard, unused[keep:]))

    def _discard(self, tree: Path) -> int:
        with _try_lock(self._find_lock(tree.name)) as is_held:
            if not is_held or _list_users(tree):
                return 0
            size = read_bytes(tree)
            trash.discard(tree, self.trash)
        _log.info("base tree evicted", repository=self.folder.name, sha=tree.name, bytes=size)
        return size

    def _list(self) -> list[Path]:
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return [path for path in found if SHA.fullmatch(path.name.partition("+")[0]) and not path.name.endswith(".new")]

    def measure(self) -> int:
        """The bytes of all trees, as recorded when they were made."""
        return sum(map(read_bytes, self._list()))


def measure_base_trees(home: Path) -> int:
    """The bytes of the base trees of all repositories."""
    return sum(trees.measure() for trees in _list_all(home))


def evict_base_trees(home: Path, keep: int) -> int:
    """`BaseTrees.evict` for each repository."""
    return sum(trees.evict(keep) for trees in _list_all(home))


def _list_all(home: Path) -> list[BaseTrees]:
    folder = home / "trees"
    return [BaseTrees(path) for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def read_bytes(tree: Path) -> int:
    """The size of a base tree; 0 when its record cannot be read."""
    with suppress(OSError, ValueError):
        return int((tree / "bytes").read_text())
    return 0


def _list_users(tree: Path) -> list[Path]:
    """The workspaces above the tree; forgets those that were removed."""
    users = []
    for use in (tree / "uses").iterdir():
        user = Path(os.fsdecode(use.read_bytes()))
        if user.is_dir():
            users.append(user)
        else:
            use.unlink(missing_ok=True)
    return users


@contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    """Hold the exclusive lock at `path` if nothing else holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(fd)
