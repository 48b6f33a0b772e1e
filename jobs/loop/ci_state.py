"""State of a pull request's checks on the code host. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from integrations.values import value


@value
class CiState:
    """`due_at` is when the checks of the head are read next, Unix seconds; 0 for no such time."""

    due_at: float = 0.0
