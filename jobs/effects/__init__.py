"""I/O around a decision: `gather` reads the current state before it, `perform` acts after it."""

from __future__ import annotations
