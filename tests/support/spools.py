"""Reads the web process's spools from outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def spooled(home: Path) -> list[str]:
    """The ids of the deliveries that wait below the home folder."""
    return [delivery for file in (home / "spool").glob("*.sqlite3") for delivery in _ids(file)]


def _ids(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return [row[0] for row in database.execute("SELECT delivery_id FROM deliveries ORDER BY number")]
