"""A small file system for the home folder of a stack, and ways to use it up. Needs root, here or in a namespace."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import REPOSITORY

MIB = 2**20
FREE_SECONDS, FULL_SECONDS = (15.0, 60.0), (3.0, 12.0)


@dataclass
class SmallDisk:
    """A tmpfs that is mounted at `folder`."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Write until `leave` bytes are free; with 0 until not one byte fits."""
        state = os.statvfs(self.folder)
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            wanted = state.f_bavail * state.f_frsize - leave
            if leave:
                os.posix_fallocate(file.fileno(), file.tell(), max(wanted, 1))
            while not leave:
                file.write(bytes(MIB))

    def fill_to(self, share: float) -> None:
        """Write until this share of the space is used."""
        state = os.statvfs(self.folder)
        self.fill(leave=int(state.f_blocks * state.f_frsize * (1 - share)))

    def use_up_inodes(self) -> None:
        """Create files until none can be created."""
        folder = self.folder / "many"
        folder.mkdir()
        with suppress(OSError):
            for number in range(10_000_000):
                (folder / str(number)).touch()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Mount the folder again on top, read-only: a read-only remount fails while files are open for writing."""
        _mount("--bind", self.folder, self.folder)
        try:
            _mount("-o", "remount,bind,ro", self.folder)
            yield
        finally:
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def free(self) -> None:
        """Give everything back."""
        self._ballast.unlink(missing_ok=True)
        for file in (self.folder / "many").glob("*"):
            file.unlink()
        with suppress(FileNotFoundError):
            (self.folder / "many").rmdir()

    def fill_at_random(self, chance: random.Random, count: Counter[str], over: threading.Event) -> None:
        """Fill the disk now and then for some seconds, and count it; it is free at the end."""
        while not over.wait(chance.uniform(*FREE_SECONDS)):
            self.fill()
            count["disk"] += 1
            over.wait(chance.uniform(*FULL_SECONDS))
            self.free()


@contextmanager
def small_disk(folder: Path, megabytes: int = 200, inodes: int = 20_000) -> Iterator[SmallDisk]:
    """Mount a tmpfs at `folder`. Raises `RuntimeError` when this process can not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,nr_inodes={inodes},mode=700"
    _mount("-t", "tmpfs", "-o", options, "loopline-test", folder)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)


def _mount(*arguments: str | Path) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mounting needs root or `unshare -Urm`: {done.stderr.strip()}")


def replay_in_namespace(request: pytest.FixtureRequest) -> bool:
    """Run the test again in a namespace where it can mount, unless this process can; returns whether it did.

    Fails where neither is possible."""
    if can_mount():
        return False
    again = [sys.executable, "-m", "pytest", "-q", "-n0", request.node.nodeid]
    done = subprocess.run(["unshare", "-Urm", *again], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"it needs root or `unshare -Urm`:\n{done.stdout[-5000:]}{done.stderr[-2000:]}"
    return True


def can_mount() -> bool:
    """Whether this process can mount file systems."""
    done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False)
    return os.geteuid() == 0 and done.returncode == 0
