"""The user that the sandbox's processes run as on the host. Used where the host creates folders that they write."""

from __future__ import annotations

from pathlib import Path


def hand_over(path: Path) -> None:
    """Let the sandbox's user write `path`, a folder or file that the host has just created. Not recursive."""
