"""Environments on disk: `<folder>/<owner>__<name>/<digest>/{tree,home}` with a metadata file. Shared by processes.

A finished environment is renamed into place and never changes. Users hold a shared lock on it, its builder an exclusive
one on its key; the kernel releases both when the process dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from integrations.git.trash import delete as delete_tree

_METADATA, _LOCK = "environment.json", "lock"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Layer:
    """A finished environment. Sizes in bytes, `seconds` of its build, `created` in Unix seconds. `exclude` are
    untracked files in the work tree that no pattern of the repository ignores."""

    path: Path
    repository: str
    digest: str
    family: str
    commands: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    size: int = 0
    files: int = 0
    seconds: float = 0.0
    created: float = 0.0
    built_for: str = ""

    @property
    def last_used(self) -> float:
        """Unix seconds; 0 once it is removed."""
        try:
            return (self.path / _LOCK).stat().st_mtime
        except OSError:
            return 0.0


class EnvironmentStore:
    """The environments below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, repository: str, digest: str) -> Path:
        """The folder of an environment, whether it exists or not."""
        return self._folder / repository.replace("/", "__") / digest

    def find(self, repository: str, digest: str) -> Layer | None:
        """The finished environment, if there is one."""
        return read_layer(self.place(repository, digest))

    def list_layers(self) -> list[Layer]:
        """All finished environments, the most recently used first."""
        found = (read_layer(path) for path in self._folder.glob("*/*") if not path.name.startswith("."))
        return sorted((layer for layer in found if layer), key=lambda layer: -layer.last_used)

    def find_related(self, repository: str, family: str) -> Layer | None:
        """The most recently used environment that differs in its inputs only."""
        return next((x for x in self.list_layers() if (x.repository, x.family) == (repository, family)), None)

    @contextmanager
    def hold(self, layer: Layer) -> Iterator[bool]:
        """Keep the environment from being removed; False if it was removed before. Counts as a use of it."""
        with ExitStack() as stack:
            try:
                fd = os.open(layer.path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                yield False
                return
            stack.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_SH)
            is_there = _is_same_file(fd, layer.path / _LOCK)
            if is_there:
                with suppress(OSError):  # a full or read-only disk
                    os.utime(layer.path / _LOCK)
            yield is_there

    @contextmanager
    def try_to_build(self, repository: str, digest: str, name: str) -> Iterator[str]:
        """Take the lock of the builder. Yields an empty text to the lock holder, else the builder's `name`."""
        path = self.place(repository, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path.with_name(f"{digest}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield os.pread(fd, 200, 0).decode(errors="replace").strip() or "another run"
                return
            os.ftruncate(fd, 0)
            with suppress(OSError):  # a full disk: the name is for messages only
                os.pwrite(fd, name.encode()[:200], 0)
            yield ""
        finally:
            os.close(fd)

    def draft(self, repository: str, digest: str) -> Path:
        """The lock holder's folder for a build; it can have leftovers of a killed one."""
        return self.place(repository, digest).with_name(f".new-{digest}")

    def publish(self, draft: Path, layer: Layer) -> Layer:
        """Make the `draft` with `tree` and `home` a finished environment at `layer.path`, durably and at once."""
        fields = asdict(layer) | {"path": ""}
        (draft / _LOCK).touch()
        with (draft / _METADATA).open("w") as file:
            json.dump(fields, file)
            file.flush()
            os.fsync(file.fileno())
        os.sync()  # the files of the layer as well: it is never checked again
        draft.rename(layer.path)
        _sync_folder(layer.path.parent)
        return layer

    def remove(self, layer: Layer) -> bool:
        """Remove the environment unless a process uses it; returns whether it is gone. Idempotent."""
        try:
            fd = os.open(layer.path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            trash = layer.path.with_name(f".old-{layer.digest}-{uuid.uuid4().hex}")
            layer.path.rename(trash)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        delete_tree(trash)
        return True

    def evict(self, most_bytes: int, oldest: float) -> list[Layer]:
        """Remove environments that were not used since `oldest` (Unix seconds), and the least recently used ones until
        all others together have at most `most_bytes`. Those in use stay. Returns the removed ones."""
        layers = self.list_layers()
        total, removed = sum(layer.size for layer in layers), []
        for layer in reversed(layers):
            if (total > most_bytes or layer.last_used < oldest) and self.remove(layer):
                total -= layer.size
                removed.append(layer)
                _log.info(
                    "environment removed", repository=layer.repository, environment=layer.digest[:12], bytes=layer.size
                )
        self._remove_leftovers()
        return removed

    def _remove_leftovers(self) -> None:
        """Delete what a killed process left: removed environments, and drafts and locks without a builder."""
        for trash in self._folder.glob("*/.old-*"):
            delete_tree(trash)
        for lock in self._folder.glob("*/*.lock"):
            digest = lock.name.removesuffix(".lock")
            with self.try_to_build(lock.parent.name, digest, "") as builder:
                if not builder:
                    delete_tree(lock.with_name(f".new-{digest}"))


def read_layer(path: Path) -> Layer | None:
    """The finished environment in this folder, if there is one."""
    try:
        fields = json.loads((path / _METADATA).read_bytes())
        known: dict[str, Any] = {n: tuple(one) if isinstance(one, list) else one for n, one in fields.items()}
        known["path"] = path
        return Layer(**{name: known[name] for name in Layer.__dataclass_fields__ if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _is_same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
