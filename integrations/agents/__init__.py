"""Agent runners, one folder each, and the modules that all of them share: transcripts and spinning."""

from __future__ import annotations
