"""The dashboard process: loops and transcripts for people, and the same as JSON."""

from __future__ import annotations
