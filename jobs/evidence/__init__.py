"""Rules for evidence: what the gate runs, verdict validation, stray files, tampering. Pure."""

from __future__ import annotations
