"""Host-side git. Runs only on repositories that agents cannot write to."""

from __future__ import annotations
