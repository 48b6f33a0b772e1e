"""Service settings: declared once, read from the environment, checked at start."""

from __future__ import annotations
