"""The providers' own JavaScript clients, installed once per machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CACHE = Path(tempfile.gettempdir()) / f"loopline-npm-{os.getuid()}"


def modules(name: str, *packages: str) -> Path:
    """A `node_modules` with the packages. Skips when npm cannot install them, and fails instead when CI is set."""
    npm, folder = shutil.which("npm"), CACHE / name
    CACHE.mkdir(mode=0o700, exist_ok=True)
    with (CACHE / "clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if npm is not None and not (folder / "installed").exists():
            folder.mkdir(exist_ok=True)
            command = [npm, "install", "--silent", "--no-package-lock", "--no-save", "--prefix", str(folder), *packages]
            if not subprocess.run(command, capture_output=True).returncode:
                (folder / "installed").touch()
    if not (folder / "installed").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"npm cannot install {name}")
    return folder / "node_modules"
