"""Keys below `loop.base` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class BasePolicy:
    """When the base branch is merged into the ticket's branch."""
