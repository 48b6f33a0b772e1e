"""Reads OCI layouts and `docker save` archives: their configuration and their layers. Called by `store`.

Every document and layer is verified by its SHA-256. Sources: OCI image specification 1.1 (image-layout,
manifest, config) and Docker's image specification 1.2.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Protocol, cast

from integrations.errors import NotFound, Rejected

_MAX_DOCUMENT = 4 * 2**20
_MAX_MEMBERS = 100_000
_MAX_LAYERS = 500
_MAX_DEPTH = 3
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64", "ppc64le": "ppc64le"}
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class _Files(Protocol):
    """The files of a layout, in a folder or in an archive."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file. Raises `NotFound`."""


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> IO[bytes]:
        path = self._folder / name
        if not path.is_file() or path.is_symlink():
            raise NotFound(f"it has no file {name}")
        return path.open("rb")


class _Archive:
    """An archive's members by name. Links between members are followed once, as `docker save` writes them."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in archive:
            self._members[member.name.removeprefix("./")] = member
            if len(self._members) > _MAX_MEMBERS:
                raise Rejected(f"it has more than {_MAX_MEMBERS} members")

    def open(self, name: str) -> IO[bytes]:
        member = self._members.get(name)
        if member and (member.issym() or member.islnk()):
            target = member.linkname
            while target.startswith(("../", "./")):
                target = target.partition("/")[2]
            member = self._members.get(target)
        if not member or not member.isfile():
            raise NotFound(f"it has no file {name}")
        return cast("IO[bytes]", self._archive.extractfile(member))


def find_image_problem(path: Path) -> str:
    """Why the source of an image cannot be used, as a clause with the fix; empty if it can. Reads little."""
    if not path.exists():
        return "does not exist; correct the path"
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        return "cannot be read by this user; change its permissions"
    if is_root(path):
        return ""
    try:
        with open_image(path):
            return ""
    except (Rejected, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return f"is no root file system and no image ({reason}); use a folder with usr/bin/bash, or `docker save`"


def is_root(path: Path) -> bool:
    """Whether the folder is a root file system with bash. Links are not followed: they lead into the host's."""
    usr = not (path / "usr").is_symlink() and not (path / "usr" / "bin").is_symlink()
    own = not (path / "bin").is_symlink()
    etc = not (path / "etc").is_symlink()
    return etc and (
        (usr and _is_program(path / "usr" / "bin" / "bash")) or (own and _is_program(path / "bin" / "bash"))
    )


def _is_program(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


@dataclass(frozen=True)
class Manifest:
    """`digest` is that of the configuration, 64 hex digits: the same for each archive of one image. `layers` are the
    names of files, `diff_ids` the SHA-256 of each layer without compression."""

    digest: str
    variables: Mapping[str, str]
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...]
    _files: _Files

    def open_layers(self) -> Iterator[IO[bytes]]:
        """Yield each layer, the lowest first, without compression; verified once the next one is requested.

        Raises `Rejected`."""
        for name, expected in zip(self.layers, self.diff_ids, strict=True):
            with self._files.open(name) as file:
                layer = _Hashed(_decompress(BufferedReader(file)))  # type: ignore[arg-type]
                yield cast("IO[bytes]", layer)
                if layer.finish() != expected:
                    raise Rejected(f"the layer {name} does not have the digest {expected}")


@contextmanager
def open_image(path: Path) -> Iterator[Manifest]:
    """Read the manifest of the layout or archive at `path`. Raises `Rejected` with a clause about it."""
    with ExitStack() as stack:
        try:
            files: _Files = _Folder(path) if path.is_dir() else _Archive(stack.enter_context(tarfile.open(path, "r:*")))
            yield _read_manifest(files)
        except (tarfile.TarError, EOFError, zlib.error, RecursionError, gzip.BadGzipFile) as error:
            reason = str(error).partition("\n")[0].rstrip(":")
            raise Rejected(f"it is not a complete tar archive ({reason})") from error


def _read_manifest(files: _Files) -> Manifest:
    try:
        files.open("index.json").close()
    except NotFound:
        return _read_docker_manifest(files)
    document = _read(files, "index.json")
    for _ in range(_MAX_DEPTH):
        if "layers" in document:
            return _build(files, _name(document.get("config")), [_name(one) for one in _list(document, "layers")])
        document = _read(files, _name(_choose(_list(document, "manifests"))))
    raise Rejected(f"its indexes are nested more than {_MAX_DEPTH} times")


def _read_docker_manifest(files: _Files) -> Manifest:
    try:
        found = json.loads(_read_bytes(files, "manifest.json"))
    except NotFound:
        raise Rejected("it has neither an index.json (OCI) nor a manifest.json (docker save)") from None
    except ValueError as error:
        raise Rejected(f"its manifest.json is not JSON: {error}") from error
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise Rejected("its manifest.json does not describe exactly one image")
    layers = _list(found[0], "Layers")
    config = found[0].get("Config")
    if not isinstance(config, str) or not all(isinstance(layer, str) for layer in layers):
        raise Rejected("its manifest.json has no Config or Layers")
    return _build(files, config, cast("list[str]", layers))


def _build(files: _Files, config: str, layers: list[str]) -> Manifest:
    content = _read_bytes(files, config)
    digest = hashlib.sha256(content).hexdigest()
    if (named := re.search(r"[0-9a-f]{64}", config)) and named[0] != digest:
        raise Rejected(f"the configuration {config} does not have the digest in its name")
    document = _parse(content, config)
    own, rootfs = document.get("config"), document.get("rootfs")
    ids = _list(rootfs if isinstance(rootfs, dict) else {}, "diff_ids")
    matches = [_DIGEST.fullmatch(one) if isinstance(one, str) else None for one in ids]
    if not all(matches) or len(ids) != len(layers) or not 0 < len(layers) <= _MAX_LAYERS:
        raise Rejected(f"the configuration {config} does not list the SHA-256 of each of its {len(layers)} layers")
    variables = _read_variables(own if isinstance(own, dict) else {})
    return Manifest(digest, variables, tuple(layers), tuple(match[1] for match in matches if match), files)


def _read_variables(config: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of the image, without those that Loopline sets."""
    pairs = (one.split("=", 1) for one in _list(config, "Env") if isinstance(one, str) and "\0" not in one)
    found = {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", pair[0])}
    return {name: value for name, value in found.items() if name not in ("HOME", "USER", "HOSTNAME", "TERM")}


def _choose(manifests: list[Any]) -> object:
    """The entry for this machine; the only one if there is one."""
    usable = [one for one in manifests if isinstance(one, dict)]
    machine = _ARCHITECTURES.get(platform.machine(), platform.machine())

    def fits(one: Mapping[str, Any]) -> bool:
        target = one.get("platform")
        return isinstance(target, dict) and (target.get("os"), target.get("architecture")) == ("linux", machine)

    found = usable if len(usable) == 1 else [one for one in usable if fits(one)]
    if len(found) != 1:
        raise Rejected(f"it has {len(found)} images for linux/{machine}; save exactly one")
    return found[0]


def _name(descriptor: object) -> str:
    """The file of a descriptor."""
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if not match:
        raise Rejected("one of its descriptors has no SHA-256 digest")
    return f"blobs/sha256/{match[1]}"


def _read(files: _Files, name: str) -> dict[str, Any]:
    content = _read_bytes(files, name)
    if name.startswith("blobs/") and hashlib.sha256(content).hexdigest() != name.rpartition("/")[2]:
        raise Rejected(f"{name} does not have the digest in its name")
    return _parse(content, name)


def _read_bytes(files: _Files, name: str) -> bytes:
    with files.open(name) as file:
        content = file.read(_MAX_DOCUMENT + 1)
    if len(content) > _MAX_DOCUMENT:
        raise Rejected(f"{name} has more than {_MAX_DOCUMENT} bytes")
    return content


def _parse(content: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Rejected(f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Rejected(f"{name} is not a JSON object")
    return document


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    found = document.get(key)
    return found if isinstance(found, list) else []


def _decompress(file: BufferedReader) -> IO[bytes]:
    magic = file.peek(4)[:4]
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if magic == b"\x28\xb5\x2f\xfd":
        raise Rejected("a layer is compressed with zstd; save the image with gzip or without compression")
    return file


class _Hashed:
    """A stream that computes the SHA-256 of all that is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._sha = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        try:
            chunk = self._stream.read(size)
        except (zlib.error, EOFError, gzip.BadGzipFile) as error:
            raise Rejected(f"a layer cannot be decompressed: {error}") from error
        self._sha.update(chunk)
        return chunk

    def finish(self) -> str:
        """Read what is left behind the archive's end; returns the hex digest."""
        while self.read(2**20):
            pass
        return self._sha.hexdigest()
