"""Keys below `loop.pull_request` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class PullRequestPolicy:
    """Form of pull requests."""
