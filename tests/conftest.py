"""Fixtures for everybody: the real Redis, a clean environment, the providers' published files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with Linear's schema and webhook payloads; they are Linear's, so they are not in this repository."""
    folder = Path(os.environ.get("LOOPLINE_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "linear" / "schema.graphql").is_file():
        message = f"no provider files at {folder}: put Linear's published schema at linear/schema.graphql there"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return folder
