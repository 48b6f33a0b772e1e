"""Keys below `loop.merge` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class MergePolicy:
    """How Loopline merges."""
