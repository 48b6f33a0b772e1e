"""State of a merge that a person asked for. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from integrations.values import value


@value
class MergeState:
    """`due_at` is when the outcome is looked up next, Unix seconds; 0 for no such time."""

    due_at: float = 0.0
