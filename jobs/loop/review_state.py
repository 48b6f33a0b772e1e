"""State of the reviews of a pull request. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from integrations.values import value


@value
class ReviewState:
    """`due_at` is when the collected reviews and comments are acted on, Unix seconds; 0 for no such time."""

    due_at: float = 0.0
