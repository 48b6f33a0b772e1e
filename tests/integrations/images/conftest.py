"""Root file systems of two versions of one tool, from Debian packages."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BASE = ("bash", "coreutils", "libc6", "libtinfo6", "libselinux1", "libacl1", "libattr1", "libgmp10", "libpcre2-8-0",
        "util-linux", "libsmartcols1")  # fmt: skip
LUA = {"5.1": ("lua5.1", "liblua5.1-0", "libreadline8"), "5.4": ("lua5.4", "liblua5.4-0", "libreadline8")}
VERSIONS = tuple(LUA)


def _download(packages: tuple[str, ...], folder: Path) -> list[Path]:
    folder.mkdir()
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ran.returncode:  # no package lists yet
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True)
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, f"Debian's packages cannot be downloaded; run 'apt-get update' as root: {ran.stderr}"
    return sorted(folder.glob("*.deb"))


@pytest.fixture(scope="session")
def lua_roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A root file system per version."""
    top = tmp_path_factory.mktemp("roots")
    base = _build(top / "base", _download(BASE, top / "packages"))
    for version, packages in LUA.items():
        root = shutil.copytree(base, top / version, symlinks=True)
        _build(root, _download(packages, top / f"packages-{version}"))
        (root / "usr" / "bin" / "lua").symlink_to(f"lua{version}")
    return {version: top / version for version in VERSIONS}


def _build(root: Path, packages: list[Path]) -> Path:
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as reader:
            arguments = ["tar", "-x", "-C", root, "--keep-directory-symlink", "--no-same-owner"]
            subprocess.run(arguments, stdin=reader.stdout, check=True)
    return root
