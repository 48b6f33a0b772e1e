"""State of a pull request relative to its base branch. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from integrations.values import value


@value
class UpstreamState:
    """`due_at` is when the base branch is compared next, Unix seconds; 0 for no such time."""

    due_at: float = 0.0
