"""Messages about the base branch: conflicts, updates of the branch, and the merge result. Called by `jobs.workflow`."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.results import Evidence
from integrations.values import CommitSha, MergeConflict
from jobs.loop.state import Loop
from jobs.loop.upstream_state import UpdateCause
from jobs.messages.text import code, inline

_MOST_NAMES = 6
_CAUSES: dict[UpdateCause, str] = {
    "": "",
    "conflict": "the code host reports a conflict with it",
    "behind": "the branch has to be up to date with it",
    "request": "a person asked for it",
    "result": "the checks fail on the result of the merge",
}


def _format_base(loop: Loop, sha: CommitSha) -> str:
    """The base branch and its commit, as '`main` (`abc1234`)'."""
    return f"{code(loop.workspace.base_branch)} (`{sha[:7]}`)"


def _list_paths(conflicts: Sequence[MergeConflict]) -> str:
    shown = ", ".join(code(conflict.path) for conflict in conflicts[:_MOST_NAMES])
    return shown + (f" and {len(conflicts) - _MOST_NAMES} more" if len(conflicts) > _MOST_NAMES else "")


def merged_base_message(loop: Loop, cause: UpdateCause, *, is_carried: bool) -> str:
    """The base branch was merged without a conflict."""
    outcome = "the verdict stays if they pass" if is_carried else "the work is examined again"
    return (
        f"**Merging {_format_base(loop, loop.workspace.base_sha)} into the branch**, because {_CAUSES[cause]}. The "
        f"checks run on the merge; {outcome}."
    )


def base_conflict_message(loop: Loop) -> str:
    """The maker resolves the conflicts."""
    upstream = loop.upstream
    lines = "".join(f"\n- {inline(line, 160)}" for line in upstream.commits[:_MOST_NAMES])
    causes = f"\n\nChanged there by:{lines}" if lines else ""
    return (
        f"**Conflict with {_format_base(loop, loop.workspace.base_sha)}** in {_list_paths(upstream.conflicts)}. The "
        f"agent merges both sides; checks and checker decide again.{causes}"
    )


def conflict_cause(loop: Loop) -> str:
    """For the maker's brief and the record of attempts."""
    return f"{_format_base(loop, loop.workspace.base_sha)} was merged, with conflicts"


def merged_cause(loop: Loop) -> str:
    """For the maker's brief: the checks failed on a merge without conflicts."""
    return (
        f"{_format_base(loop, loop.workspace.base_sha)} was merged without conflicts, and the checks below fail on the "
        "result. Adapt the work to the base branch as it is now"
    )


def closed_attempt_reason(loop: Loop) -> str:
    return f"{code(loop.workspace.base_branch)} moved on and has to be merged"


def outside_reason(conflicts: Sequence[MergeConflict], base_branch: str) -> str:
    """Conflicts that an agent cannot resolve."""
    return (
        f"{code(base_branch)} conflicts with the branch in {_list_paths(conflicts)}: submodules and files of Git LFS, "
        "which an agent cannot change. Merge it by hand, push the branch, then reply `/retry`"
    )


def manual_conflict_message(loop: Loop) -> str:
    """A conflict that Loopline does not resolve by itself."""
    base = code(loop.workspace.base_branch)
    return (
        f"**The pull request conflicts with {base}** and cannot be merged as it is. Reply `/changes merge "
        f"{inline(loop.workspace.base_branch)}` and Loopline merges {base} into the branch, or resolve the conflict "
        "there yourself."
    )


def up_to_date_message(loop: Loop) -> str:
    """A person asked for an update that is not needed."""
    return f"The branch has {_format_base(loop, loop.workspace.base_sha)} already: there is nothing to merge."


def checking_result_message(loop: Loop) -> str:
    """`/merge`, while the base branch has moved since the verdict."""
    return (
        f"Checking the merge result with {_format_base(loop, loop.upstream.result_base)}, which has moved since the "
        "verdict. The merge follows if the checks pass."
    )


def result_failed_message(loop: Loop, failing: Sequence[Evidence]) -> str:
    """The merge result is red."""
    names = ", ".join(f"{code(e.command)} (exit {e.exit_code})" for e in failing[:4])
    return (
        f"**Not merged:** on the merge result with {_format_base(loop, loop.upstream.result_base)} {names} fails. Each "
        "side passes alone, so Loopline merges the base branch into the branch and the agent adapts the work."
    )


def result_conflict_message(loop: Loop, conflicts: Sequence[MergeConflict], base_sha: CommitSha) -> str:
    return (
        f"**Not merged:** the pull request conflicts with {_format_base(loop, base_sha)} in {_list_paths(conflicts)}."
    )


def result_unknown_reason(loop: Loop, why: str) -> str:
    """The gate could not run on the merge result."""
    base = _format_base(loop, loop.upstream.result_base)
    return f"Not merged: the merge result with {base} could not be checked: {inline(why, 400)} Reply `/merge` to retry."


def moving_base_reason(loop: Loop, rounds: int) -> str:
    """The base branch moved again and again during the checks."""
    return (
        f"Not merged: {code(loop.workspace.base_branch)} moved {rounds} times while the merge result was checked. "
        "Reply `/merge` when it is quieter, or set up a merge queue on the code host."
    )


APPROVAL_WITHDRAWN_REASON = "Not merged: the approval was withdrawn while the merge result was checked."


def carried_line(loop: Loop) -> str:
    """In the verdict; empty if the checker examined this very commit."""
    upstream = loop.upstream
    if not upstream.carried_from or upstream.carried_to != loop.candidate.head_sha:
        return ""
    return (
        f"The checker examined `{upstream.carried_from[:7]}`. Since then only "
        f"{_format_base(loop, loop.workspace.base_sha)} was merged, without a conflict, and the checks passed again."
    )
