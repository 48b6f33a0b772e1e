"""Toy providers, one folder each, installed as a package outside of this repository would be: by an entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations import registry


def install(folder: Path, *values: str) -> None:
    """Put an installed package's metadata into `folder`, with these `module:value` entry points."""
    package = folder / "toys-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    lines = "\n".join(f"{value.rpartition(':')[2].lower()} = {value}" for value in values)
    (package / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{lines}\n")


@contextmanager
def installed(folder: Path, *values: str) -> Iterator[None]:
    """The same, seen by this process until the end of the block."""
    install(folder, *values)
    sys.path.insert(0, str(folder))
    registry.providers.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        registry.providers.cache_clear()
