"""Sentences about actions of other accounts on the code host: branch, pull request, repository. Called by
`jobs.workflow.foreign`."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.loop.foreign_state import ForeignPush, ForeignState
from jobs.loop.state import Loop
from jobs.messages.text import code, inline

PATHS_SHOWN = 5
UNCHECKED_DESCRIPTION = "not checked: the verdict is for another commit"
"""The status of a foreign commit."""


def name_account(by: str) -> str:
    return inline(by) or "another account"


def list_paths(paths: Sequence[str]) -> str:
    """At most `PATHS_SHOWN` paths in one line."""
    more = f" and {len(paths) - PATHS_SHOWN} more" if len(paths) > PATHS_SHOWN else ""
    return ", ".join(code(path) for path in paths[:PATHS_SHOWN]) + more


def list_authors(pushes: Sequence[ForeignPush]) -> str:
    """The accounts that pushed to the branch."""
    names = dict.fromkeys(name_account(push.by) for push in pushes)
    return " and ".join(names) or name_account("")


def another_branch_message(existing: str, chosen: str) -> str:
    return (
        f"The branch {code(existing)} existed before this ticket's work, so it is left as it is: the work goes to "
        f"{code(chosen)}."
    )


def foreign_commit_message(by: str, sha: str, *, is_forced: bool) -> str:
    """A push to the branch under review."""
    verb = "force-pushed" if is_forced else "pushed"
    return (
        f"{_capitalize(name_account(by))} {verb} `{sha[:7]}` to the branch, so the verdict is void. "
        "`/resume` checks that commit, `/changes <what>` continues from it."
    )


def pushed_reason(by: str, sha: str) -> str:
    """A push to the branch during the work."""
    return f"{name_account(by)} pushed `{sha[:7]}` to the branch; unfinished work is kept for the next run."


def branch_deleted_reason(by: str) -> str:
    return f"the branch was deleted on the code host{f' by {inline(by)}' if by else ''}."


def combined_message(pushes: Sequence[ForeignPush], paths: Sequence[str]) -> str:
    """Unfinished work that conflicts with commits of other accounts."""
    return (
        f"The unfinished work and the commits of {list_authors(pushes)} both change {list_paths(paths)}: the agent "
        "starts from the merge with both sides and combines them."
    )


def combined_guidance(pushes: Sequence[ForeignPush], paths: Sequence[str]) -> str:
    """The same for the agent."""
    return (
        f"{list_authors(pushes)} pushed commits to this branch while you worked. They were merged with your unfinished "
        f"changes; {list_paths(paths)} have conflict markers with both sides. Keep the intent of both, and remove the "
        "markers first."
    )


def branch_left_message(branch: str, pushes: Sequence[ForeignPush] = ()) -> str:
    """A branch that the clean-up does not delete."""
    if pushes:
        return f"The branch {code(branch)} is left in place: it has commits of {list_authors(pushes)}."
    return f"The branch {code(branch)} is left in place: its last commit is not one of Loopline's."


def closed_reason(by: str) -> str:
    return f"the pull request was closed{f' by {inline(by)}' if by else ''} without being merged."


def lost_base_reason(base: str) -> str:
    return f"the pull request was closed because its base branch {code(base)} was deleted."


def reopened_message(by: str) -> str:
    return f"The pull request was reopened{f' by {inline(by)}' if by else ''}: it is in review again."


def retitled_message(by: str, title: str) -> str:
    return f"{_capitalize(name_account(by))} renamed the pull request to “{inline(title)}”. That title stays."


def retargeted_message(by: str, before: str, base: str) -> str:
    return (
        f"{_capitalize(name_account(by))} changed the base branch of the pull request from {code(before)} to "
        f"{code(base)}, so the verdict is void. `/resume` checks the change against {code(base)}."
    )


def base_renamed_message(before: str, base: str) -> str:
    return (
        f"The base branch {code(before)} is gone, and the pull request goes to {code(base)} now. Nothing else changes."
    )


def draft_message(by: str) -> str:
    return (
        f"{_capitalize(name_account(by))} converted the pull request to a draft: it cannot be merged until it is "
        "marked as ready for review."
    )


def ready_message(by: str) -> str:
    return f"{_capitalize(name_account(by))} marked the pull request as ready for review."


def locked_message(by: str) -> str:
    return (
        f"{_capitalize(name_account(by))} locked the conversation of the pull request: only accounts with write access "
        "can comment there. Comments on this ticket work as before."
    )


def unlocked_message(by: str) -> str:
    return f"{_capitalize(name_account(by))} unlocked the conversation of the pull request."


def repository_reason(repository: str, foreign: ForeignState) -> str:
    """Why nothing can be written to the repository, with the fix."""
    name = code(repository)
    if foreign.repository == "renamed":
        now = code(foreign.renamed_to)
        return f"the repository {name} is now {now}: an operator has to change it in LOOPLINE_TEAMS."
    if foreign.repository == "archived":
        return f"the repository {name} is archived and read-only: unarchive it on the code host."
    return (
        f"Loopline has no access to the repository {name} any more: it was deleted, or access was removed. Restore the "
        "access on the code host."
    )


def repository_message(loop: Loop) -> str:
    """The same for a ticket in review."""
    reason = repository_reason(loop.workspace.repository, loop.foreign)
    return f"{_capitalize(reason)} Until then nothing can be pushed or merged; the pull request stays in review."


def repository_back_message(repository: str) -> str:
    return f"The repository {code(repository)} can be written to again. Work can continue."


def others_line(paths: Sequence[str], pushes: Sequence[ForeignPush]) -> str:
    """The files of a verdict that other accounts changed."""
    return f"By {list_authors(pushes)}, and not judged as Loopline's work: {list_paths(paths)}."


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith(("another account", "the ")) else text
