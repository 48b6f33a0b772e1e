"""The dashboard process: pages and JSON of loops and transcripts, read-only."""

from __future__ import annotations
