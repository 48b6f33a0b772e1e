"""The release. A test compares it with `pyproject.toml`. Used by the health endpoints and the command line."""

from __future__ import annotations

VERSION = "0.1.0"
