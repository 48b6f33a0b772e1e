"""Git as the host runs it: only on repositories that no agent can write."""

from __future__ import annotations
