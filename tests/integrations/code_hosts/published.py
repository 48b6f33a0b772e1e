"""Example webhooks and the REST description that GitHub publishes on npm. Fetched once per machine, never committed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

_CACHE = Path(tempfile.gettempdir()) / f"loopline-npm-{os.getuid()}"


def published(package: str, version: str, member: str) -> Path:
    """One file of an npm package. Skips the test when it is unavailable, or fails it when CI is set.

    `npm pack` and not `npm install`, which would unpack 385 MB for one file of the REST description."""
    target = _CACHE / f"{package.replace('/', '-').lstrip('@')}-{version}" / member
    _CACHE.mkdir(mode=0o700, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            _fetch(f"{package}@{version}", member, target)
    return target


def _fetch(package: str, member: str, target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        _skip_or_fail(f"npm is not installed, so {package} cannot be fetched")
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run([npm, "pack", "--silent", package], cwd=folder, capture_output=True, text=True)
        if packed.returncode:
            _skip_or_fail(f"npm cannot fetch {package}: {packed.stderr.strip()[-300:]}")
        with tarfile.open(Path(folder) / packed.stdout.strip().splitlines()[-1]) as archive:
            content = archive.extractfile(f"package/{member}")
            assert content is not None
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(".part")
            part.write_bytes(content.read())
            part.replace(target)


def _skip_or_fail(reason: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
