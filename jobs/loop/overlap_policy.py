"""Keys below `loop.overlap` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class OverlapPolicy:
    """When tickets wait for each other's files."""
