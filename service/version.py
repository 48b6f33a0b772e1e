"""The release, as `pyproject.toml` has it; a test keeps the two together. Read by health and CLI."""

from __future__ import annotations

VERSION = "0.1.0"
