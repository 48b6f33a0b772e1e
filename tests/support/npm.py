"""npm packages for conformance tests: the providers' own clients and published files, fetched once per machine.

Versions and digests are pinned: those of `modules` in npm/package-lock.json, those of `published_file` by the caller.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import playwright
import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loopline-tests"
NODE = Path(playwright.__file__).with_name("driver") / "node"  # newer than the Node.js of most distributions
_PINNED = Path(__file__).with_name("npm")


def modules() -> Path:
    """The `node_modules` folder with the packages of npm/package.json."""
    lock = (_PINNED / "package-lock.json").read_bytes()
    folder = CACHE / f"modules-{sha256(lock).hexdigest()[:16]}"
    with _locked():
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as made:
                installed = Path(made) / "installed"
                shutil.copytree(_PINNED, installed)
                _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", folder=installed)
                installed.rename(folder)
    return folder / "node_modules"


def published_file(package: str, member: str, integrity: str) -> Path:
    """One file of a package `name@version`; `integrity` is the digest of its archive as in a package-lock.json.

    `npm pack` and not `npm ci`, which would unpack 385 MB for one file of GitHub's REST description."""
    target = CACHE / sha256(integrity.encode()).hexdigest()[:16] / member
    with _locked():
        if not target.is_file():
            with tempfile.TemporaryDirectory(dir=CACHE) as made:
                [packed] = json.loads(_npm("pack", "--json", package, folder=Path(made)))
                if packed["integrity"] != integrity:
                    pytest.fail(f"{package} from npm is {packed['integrity']}, expected {integrity}")
                with tarfile.open(Path(made) / packed["filename"]) as archive:
                    content = archive.extractfile(f"package/{member}")
                    assert content is not None
                    write_atomically(target, content.read())
    return target


def write_atomically(target: Path, content: bytes) -> None:
    """Write a file that other processes see complete or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
        part.write(content)
    Path(part.name).replace(target)


def _npm(*command: str, folder: Path) -> str:
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("npm is not on PATH: run infra/test-tools, or install Node.js with npm.")
    done = subprocess.run([npm, *command], cwd=folder, capture_output=True, text=True, timeout=100)
    if done.returncode:
        pytest.fail(f"npm {command[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


@contextmanager
def _locked() -> Iterator[None]:
    """One process of this machine at a time: pytest-xdist runs several."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
