"""State of a merge that a person asked for. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from typing import Literal

from integrations.values import value


@value
class MergeState:
    """`due_at` is when the outcome is looked up next, Unix seconds; 0 for no such time."""

    due_at: float = 0.0
    by: str = ""
    """The person who asked for the merge."""
    insists: bool = False
    """The person wants it without the parts that the code host does not require."""
    waits: Literal["", "queue", "auto_merge"] = ""
    """Where the code host has the pull request: in the merge queue, or with auto-merge enabled."""
    since: float = 0.0
    """When it began to wait, Unix seconds."""
    reported: bool = False
    """Whether the ticket shows that it has waited for long."""
