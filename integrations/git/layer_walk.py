"""Lists the changes of a work tree by its upper layer alone. Called by `work_tree` and `export`, on the host.

An agent controls the layer and can change it at the same time. So each folder is opened relative to its parent without
following links, nothing but folders and `.gitignore` files is opened here, and depth and number are bounded.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from integrations.git.ignore_rules import MAX_BYTES, IgnoreRules
from integrations.git.workspace import Workspace

MAX_DEPTH = 128
MAX_ENTRIES = 500_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPAQUE = "user.overlay.opaque"


class TooManyChanges(Exception):
    """The layer exceeds the bounds, or the walk was stopped."""


@dataclass(frozen=True)
class Change:
    """A path whose entry in the upper layer differs from the base tree's, or repeats it.

    `state` is None for a removed file. A `repository` is a new folder with a `.git`, which stands for all of its files.
    `folder` and `below` are descriptors of the folders that contain the entry in the upper layer and the base tree,
    open until the next change."""

    path: str
    state: os.stat_result | None
    folder: int
    below: int | None
    is_repository: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class _Folder:
    path: str  # '' or with a final '/'
    upper: int
    below: int | None
    is_opaque: bool
    rules: IgnoreRules | None
    depth: int


class LayerWalk:
    """One walk. `with_ignored` lists ignored files too. Raises `TooManyChanges` beyond the bounds and if `stopped`."""

    def __init__(
        self, workspace: Workspace, *, with_ignored: bool, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._workspace, self._with_ignored, self._stopped = workspace, with_ignored, stopped
        self._entries = 0

    def __iter__(self) -> Iterator[Change]:
        with _open_folder(self._workspace.upper) as upper, _open_folder(self._workspace.lower) as below:
            if upper is not None:
                rules = None if self._with_ignored else IgnoreRules()
                yield from self._walk(_Folder("", upper, below, False, rules, 0))

    def _count(self) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES or (self._entries % 256 == 1 and self._stopped()):
            raise TooManyChanges

    def _walk(self, folder: _Folder) -> Iterator[Change]:
        if folder.depth > MAX_DEPTH:
            raise TooManyChanges
        names = sorted(_list_names(folder.upper))
        folder = _read_rules(folder)
        for name in names:
            self._count()
            try:
                state = os.stat(name, dir_fd=folder.upper, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield from self._visit(folder, name, state)
        if folder.is_opaque and folder.below is not None:
            for name in sorted(_list_names(folder.below).difference(names)):
                yield from self._remove(folder, name, folder.below, folder.path)

    def _visit(self, folder: _Folder, name: str, state: os.stat_result) -> Iterator[Change]:
        path, old = f"{folder.path}{name}", _stat(name, folder.below)
        if stat.S_ISDIR(state.st_mode):
            yield from self._descend(folder, name, path, old)
        elif stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode):
            if old or folder.rules is None or not folder.rules.is_ignored(path):
                yield Change(path, state, folder.upper, folder.below)
        elif folder.below is not None:  # a whiteout, or an entry that git cannot store
            yield from self._remove(folder, name, folder.below, folder.path)

    def _descend(self, folder: _Folder, name: str, path: str, old: os.stat_result | None) -> Iterator[Change]:
        is_known = old is not None and stat.S_ISDIR(old.st_mode)
        if old is not None and not is_known:
            yield Change(path, None, folder.upper, folder.below)  # a file that became a folder
        rules = folder.rules
        if rules is not None and rules.is_ignored(f"{path}/"):
            if not is_known:
                return
            rules = IgnoreRules().extend("", b"*\n")  # only the files of the base tree count
        with _open_folder(name, folder.upper) as upper, _open_folder(name, folder.below if is_known else None) as below:
            if upper is None:
                return
            if not is_known and _stat(".git", upper):
                yield Change(path, os.fstat(upper), folder.upper, folder.below, is_repository=True)
                return
            is_opaque = folder.is_opaque or _is_opaque(upper)
            yield from self._walk(_Folder(f"{path}/", upper, below, is_opaque, rules, folder.depth + 1))

    def _remove(self, folder: _Folder, name: str, below: int, prefix: str) -> Iterator[Change]:
        """The files of the base tree at `name`, which the upper layer hides."""
        self._count()
        old = _stat(name, below)
        if old is None:
            return
        if not stat.S_ISDIR(old.st_mode):
            yield Change(f"{prefix}{name}", None, folder.upper, below)
            return
        with _open_folder(name, below) as inner:
            if inner is not None:
                for child in sorted(_list_names(inner)):
                    yield from self._remove(folder, child, inner, f"{prefix}{name}/")


def _list_names(folder: int) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries} - {".git"}


def _stat(name: str, folder: int | None) -> os.stat_result | None:
    try:
        return None if folder is None else os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, PermissionError):
        return None


@contextmanager
def _open_folder(path: str | os.PathLike[str], parent: int | None = -1) -> Iterator[int | None]:
    """A descriptor of the folder, in `parent`; None when it is missing, replaced, or not accessible."""
    with ExitStack() as stack:
        fd = None
        if parent is not None:
            try:
                fd = os.open(path, _FOLDER, dir_fd=None if parent < 0 else parent)
                stack.callback(os.close, fd)
            except OSError:
                fd = None
        yield fd


def _is_opaque(folder: int) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE) == b"y"
    except OSError:
        return False


def open_file(name: str, folder: int) -> int | None:
    """A descriptor of the regular file, which the caller closes; None for anything else."""
    try:
        fd = os.open(name, _FILE, dir_fd=folder)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def _read_rules(folder: _Folder) -> _Folder:
    """The folder with the rules of its `.gitignore`, from the layer where it is visible."""
    if folder.rules is None:
        return folder
    is_hidden = folder.is_opaque or _stat(".gitignore", folder.upper)
    place = folder.upper if is_hidden else folder.below
    fd = None if place is None else open_file(".gitignore", place)
    if fd is None:
        return folder
    with os.fdopen(fd, "rb") as file:
        rules = folder.rules.extend(folder.path, file.read(MAX_BYTES))
    return _Folder(folder.path, folder.upper, folder.below, folder.is_opaque, rules, folder.depth)
