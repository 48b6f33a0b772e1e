"""Deletes folders in the background, because that takes seconds for a large tree. Called by `base_trees` and `layers`.

A folder is first renamed into the trash. A separate process then empties the trash; it outlives its caller, and the
next one also deletes the leftovers of a process that was killed.
"""

from __future__ import annotations

import errno
import subprocess
import uuid
from pathlib import Path

TRASH = ".trash"
"""Name of the folder beside the folders that are moved into it."""
# Removes links without following them, and makes folders accessible when needed. rm, because `shutil.rmtree` recurses
# and an agent can nest thousands of folders.
_DELETE = """\
cd -- "$1" || exit
for path in * .[!.]*; do
    rm -rf -- "$path" 2>/dev/null || { chmod -R u+rwx -- "$path"; rm -rf -- "$path"; }
done
"""


def discard(path: Path, trash: Path) -> None:
    """Move `path` into the folder `trash`, which is emptied in the background. Idempotent. No process of an agent uses
    `path` any more."""
    try:
        trash.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.rename(trash / uuid.uuid4().hex)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        delete(path)  # another file system
    empty(trash)


def empty(trash: Path) -> None:
    """Delete the contents of `trash` in the background."""
    if trash.is_dir() and any(trash.iterdir()):
        _start(trash)


def delete(path: Path) -> None:
    """Delete a folder that an agent wrote, and wait for it. Idempotent."""
    for command in (("rm", "-rf"), ("chmod", "-R", "u+rwx"), ("rm", "-rf")):
        if path.exists():
            subprocess.run((*command, "--", path.absolute()), env={"PATH": "/usr/bin:/bin"}, capture_output=True)


def _start(trash: Path) -> None:
    """Start the process that empties `trash`, detached, so that no caller has to wait for it."""
    script = f'(trap "" HUP; {_DELETE}) </dev/null >/dev/null 2>&1 &'
    subprocess.run(
        ("nice", "sh", "-c", script, "sh", trash.absolute()),
        env={"PATH": "/usr/bin:/bin"}, cwd="/", stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
