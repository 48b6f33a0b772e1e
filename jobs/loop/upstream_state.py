"""State of a pull request relative to its base branch. Values only; changed by `jobs.workflow`."""

from __future__ import annotations

from typing import Literal

from integrations.values import NO_COMMIT, CommitSha, MergeConflict, value

UpdateCause = Literal["", "conflict", "behind", "request", "result"]
"""Why the base branch is being merged: a conflict, a policy or rule that asks for up-to-date branches, a person's
request, or a merge result that fails the gate. Empty while it is not."""


@value
class UpstreamState:
    """`due_at` is when the base branch is compared next, Unix seconds; 0 for no such time.

    `has_moved`: the base branch has new commits, and the pull request is not open yet. `looks` counts the times that
    the code host had not yet computed whether there is a conflict, `merges` the merge commits of this loop, which are
    part of the ids of runs. `updated_at` is the time of the last update without a request, `reported` the head of the
    base branch that the ticket has a message about."""

    due_at: float = 0.0
    has_moved: bool = False
    looks: int = 0
    merges: int = 0
    updated_at: float = 0.0
    reported: CommitSha = NO_COMMIT
    cause: UpdateCause = ""
    merge_sha: CommitSha = NO_COMMIT
    """The merge commit that the work continues from, until a commit that has it is pushed."""
    merged_into: CommitSha = NO_COMMIT
    """The pushed head that `merge_sha` was made from; a person's push makes it another one."""
    conflicts: tuple[MergeConflict, ...] = ()
    """Those of `merge_sha`, whose tree has conflict markers then."""
    commits: tuple[str, ...] = ()
    """The base branch's commits that caused them, as 'abc1234 author: subject'."""
    fork_sha: CommitSha = NO_COMMIT
    """The base commit of the next attempt, if the maker of this one has merged a newer one itself."""
    carried_from: CommitSha = NO_COMMIT
    """The commit that the checker examined, if its verdict was carried over to the merge commit `carried_to`."""
    carried_to: CommitSha = NO_COMMIT
    result_sha: CommitSha = NO_COMMIT
    """The merge result that the gate examines before the pull request is merged. Never pushed."""
    result_base: CommitSha = NO_COMMIT
    """The base commit of the last merge result; after a green gate the pull request is merged on top of it."""
    rounds: int = 0
    """Merge results examined for one request to merge."""
