"""Keys below `loop.review` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class ReviewPolicy:
    """How reviews count."""
