"""Keys below `loop.base` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import value


@value
class BasePolicy:
    """When the base branch is merged into the ticket's branch."""

    update: Literal["when_required", "always", "never"] = "when_required"
    """`when_required`: if the pull request conflicts with it, or a rule of the code host asks for branches that are up
    to date. `always`: after each change of the base branch. `never`: only when a person asks."""
