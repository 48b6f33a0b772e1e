"""Rules that the code host applies to a merge into a branch, and what a pull request lacks of them. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import value

MergeMethod = Literal["squash", "merge", "rebase"]
MERGE_METHODS: tuple[MergeMethod, ...] = ("squash", "merge", "rebase")
"""In the order of preference where no policy chooses one."""
MissingKind = Literal[
    "closed", "head", "draft", "conflict", "behind", "check_failed", "check_pending", "check_unread", "approval",
    "other_approval", "changes_requested", "thread", "method",
]  # fmt: skip
WaitingWay = Literal["queue", "auto_merge"]


@value
class MergeRules:
    """The strictest of all rules of a branch, and the merges that the repository allows."""

    methods: tuple[MergeMethod, ...] = MERGE_METHODS
    """Allowed methods, in the order of preference."""
    approvals: int = 0
    """Approving reviews of people with write permission."""
    resolved_threads: bool = False
    """All review threads have to be resolved."""
    checks: tuple[str, ...] = ()
    """Names of the checks that have to pass."""
    up_to_date: bool = False
    """The head has to contain the current base branch."""
    queue: bool = False
    """Merges go through a merge queue."""
    auto_merge: bool = False
    """The repository allows auto-merge."""


@value
class MissingPart:
    """One requirement of a merge that is not met. `name` is a check, a person or a path; `required`: the code host
    refuses the merge without it; `url` is the place where it can be met."""

    kind: MissingKind
    name: str = ""
    count: int = 0
    required: bool = True
    url: str = ""
