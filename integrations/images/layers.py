"""Unpacks the layers of an image into a folder. Called by `store`.

An archive is untrusted: nothing is written outside of the folder, devices, FIFOs and sockets are left out, setuid,
setgid and file capabilities are dropped, owners are ignored. Whiteouts follow the OCI image specification, "Layer
Filesystem Changeset".
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from integrations.errors import Rejected

MAX_ENTRIES = 1_000_000
_MAX_HEADER = 2**20  # bytes of one extended header, which tarfile reads as a whole
_MAX_LINKS = 40  # symbolic links in one path, as in Linux
_CHUNK = 2**20
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_HEADERS = frozenset({tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
                      tarfile.GNUTYPE_LONGLINK})  # fmt: skip


class _Member(tarfile.TarInfo):
    """A member whose extended headers are bounded."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _MAX_HEADER:
            raise Rejected(f"it has a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc, no-any-return]


class Unpacker:
    """Applies layers, the lowest first, to `root`, which exists and is empty. At most `max_bytes` are written."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root, self._room, self._max = root, max_bytes, max_bytes
        self._entries = 0

    def apply(self, layer: IO[bytes]) -> None:
        """Apply an uncompressed layer. Raises `Rejected` with a clause about the archive; the folder is then useless.

        Raises `OSError` when the disk is full."""
        written: set[Path] = set()
        try:
            with tarfile.open(fileobj=layer, mode="r|", tarinfo=_Member) as archive:
                for member in archive:
                    self._entries += 1
                    if self._entries > MAX_ENTRIES:
                        raise Rejected(f"it has more than {MAX_ENTRIES} entries")
                    self._add(archive, member, written)
                    vars(archive)["members"] = []  # else it keeps every member
        except (tarfile.TarError, EOFError, ValueError, RecursionError) as error:
            raise Rejected(f"it is damaged: {error}") from error

    def _add(self, archive: tarfile.TarFile, member: tarfile.TarInfo, written: set[Path]) -> None:
        parts = _split(member.name)
        if not parts:
            return  # the root itself
        folder = self._resolve(parts[:-1], member.name)
        name, path = parts[-1], folder / parts[-1]
        if name == _OPAQUE:
            _clear(folder, written)
        elif name.startswith(_WHITEOUT):
            if (hidden := folder / _split(name.removeprefix(_WHITEOUT))[0]) not in written:
                _remove(hidden)
        elif member.isdir():
            if path.is_symlink() or not path.is_dir():
                _remove(path)
                path.mkdir()
            path.chmod(member.mode & 0o777 | 0o755)
            written.add(path)
        elif member.isfile() or member.issym() or member.islnk():
            self._add_file(archive, member, path)
            written.add(path)

    def _add_file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        if member.islnk():
            parts = _split(member.linkname)
            source = self._resolve(parts[:-1], member.linkname) / parts[-1] if parts else self._root
            if not source.is_symlink() and not source.is_file():
                raise Rejected(f"{_show(member.name)} is a hard link to a file that is not there")
            if source != path:
                _remove(path)
                os.link(source, path, follow_symlinks=False)
            return
        _remove(path)
        if member.issym():
            if not member.linkname or "\0" in member.linkname:
                raise Rejected(f"{_show(member.name)} is a symbolic link without a target")
            path.symlink_to(member.linkname)
            return
        content = archive.extractfile(member)
        assert content
        with path.open("xb") as file:
            while chunk := content.read(_CHUNK):
                self._room -= len(chunk)
                if self._room < 0:
                    raise Rejected(f"it holds more than the {self._max} bytes that an image can have here")
                file.write(chunk)
            os.fchmod(file.fileno(), member.mode & 0o777 | 0o444)
        with suppress(OverflowError, OSError):  # compiled Python files are valid for one modification time
            os.utime(path, (member.mtime, member.mtime))

    def _resolve(self, parts: list[str], name: str) -> Path:
        """The folder at `parts`, created where it is missing. Links are followed inside of the root, as by chroot."""
        place, waiting, links = self._root, list(reversed(parts)), 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                place = place if place == self._root else place.parent
                continue
            path = place / part
            if path.is_symlink():
                links += 1
                if links > _MAX_LINKS:
                    raise Rejected(f"{_show(name)} leads through a loop of symbolic links")
                target = str(path.readlink())
                place = self._root if target.startswith("/") else place
                waiting.extend(one for one in reversed(target.split("/")) if one not in ("", "."))
            elif path.is_dir():
                place = path
            elif os.path.lexists(path):
                raise Rejected(f"{_show(name)} is below a file that is not a folder")
            else:
                path.mkdir(mode=0o755)
                place = path
        return place


def _split(name: str) -> list[str]:
    """The components of a member's name. Raises `Rejected` for one that leaves the root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Rejected(f"it has the entry {_show(name)}, which is outside of its root")
    if any(len(os.fsencode(part)) > 255 for part in parts) or len(name) > 4_000:
        raise Rejected(f"it has the entry {_show(name)}, whose name is too long")
    return parts


def _show(name: str) -> str:
    return ascii(name[:200])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clear(folder: Path, written: set[Path]) -> None:
    """Remove what lower layers have in `folder`."""
    for path in list(_list_lower(folder, written)):
        _remove(path)


def _list_lower(folder: Path, written: set[Path]) -> Iterator[Path]:
    for path in folder.iterdir():
        if path not in written and not any(path in one.parents for one in written):
            yield path
        elif path.is_dir() and not path.is_symlink():
            yield from _list_lower(path, written)
