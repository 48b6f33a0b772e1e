"""Builds layers, OCI layouts and `docker save` archives."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Change = Callable[[tarfile.TarInfo], None]
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class Layer:
    """A tar archive in memory; each method adds one entry."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._bytes, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: Any) -> Layer:
        member = tarfile.TarInfo(name)
        member.type, member.size = kind, len(content)
        for field, value in {"mode": 0o755 if kind == tarfile.DIRTYPE else 0o644, **fields}.items():
            setattr(member, field, value)
        self._tar.addfile(member, io.BytesIO(content))
        return self

    def file(self, name: str, text: str = "", **fields: Any) -> Layer:
        return self.add(name, content=text.encode(), **fields)

    def folder(self, name: str, **fields: Any) -> Layer:
        return self.add(name, tarfile.DIRTYPE, **fields)

    def link(self, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Layer:
        return self.add(name, kind, linkname=target)

    def read(self) -> bytes:
        self._tar.close()
        return self._bytes.getvalue()


def with_bash(layer: Layer | None = None) -> Layer:
    return (layer or Layer()).folder("usr").folder("usr/bin").file("usr/bin/bash", "#!", mode=0o755).folder("etc")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_layout(folder: Path, layers: Sequence[bytes], env: Sequence[str] = (), *, compress: bool = True) -> Path:
    """An OCI layout in a folder, with one index above the manifest as buildkit writes it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> dict[str, Any]:
        (blobs / sha(content)).write_bytes(content)
        return {"digest": f"sha256:{sha(content)}", "size": len(content)}

    config = put(json.dumps(describe(layers, env)).encode())
    stored = [put(gzip.compress(layer, mtime=0) if compress else layer) for layer in layers]
    manifest = put(json.dumps({"schemaVersion": 2, "config": config, "layers": stored}).encode())
    other = put(json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode())
    index = put(
        json.dumps(
            {
                "manifests": [
                    {**manifest, "platform": {"os": "linux", "architecture": MACHINE}},
                    {**other, "platform": {"os": "unknown", "architecture": "unknown"}},
                ]
            }
        ).encode()
    )
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def describe(layers: Sequence[bytes], env: Sequence[str]) -> Mapping[str, Any]:
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{sha(layer)}" for layer in layers]}
    return {"architecture": MACHINE, "os": "linux", "config": {"Env": [*env]}, "rootfs": rootfs}


def save(path: Path, layers: Sequence[bytes], env: Sequence[str] = ()) -> Path:
    """An archive as `docker save` wrote it before version 25."""
    config = json.dumps(describe(layers, env)).encode()
    names = [f"{number}/layer.tar" for number, _ in enumerate(layers)]
    manifest = json.dumps([{"Config": f"{sha(config)}.json", "RepoTags": ["x:1"], "Layers": names}])
    archive = Layer()
    for name, layer in zip(names, layers, strict=True):
        archive.add(name, content=layer)
    archive.add(f"{sha(config)}.json", content=config).file("manifest.json", manifest)
    path.write_bytes(archive.read())
    return path
