"""Prints a new memory-backed folder for the temporary files of a test run, or nothing where that is no improvement.

Called by `infra/test`. Redis waits for the disk at each write, and most tests have one. The folder needs some free
gigabytes, and extended attributes of users for the overlays of work trees, which tmpfs has since Linux 6.6.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
LEAST_FREE = 6 * 2**30


def create_folder() -> str:
    """The new folder's path; empty without one."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < LEAST_FREE:
        return ""
    folder = tempfile.mkdtemp(prefix="test-", dir=MEMORY)
    try:
        os.setxattr(folder, "user.overlay.test", b"y")
        os.removexattr(folder, "user.overlay.test")
    except OSError:
        Path(folder).rmdir()
        return ""
    return folder


if __name__ == "__main__":
    print(create_folder())  # noqa: T201
