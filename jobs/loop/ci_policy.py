"""Keys below `loop.ci` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class CiPolicy:
    """How the code host's checks count."""
