"""Answers to what people say and do. Called by `jobs.workflow`."""

from __future__ import annotations

from jobs.loop.state import Loop
from jobs.messages.text import inline, state_message

COMMANDS = (
    "`/stop`, `/retry <hint>`, `/changes <what>`, `/approve`, `/merge`, `/accept`, `/budget +<dollars>`, `/takeover`, "
    "`/close`"
)


def stopped_message(loop: Loop) -> str:
    """The loop stopped because somebody wanted it."""
    if not loop.branch:
        return (
            f"**Stopped:** {loop.reason} The branch and the worktree are gone. `/retry <hint>` begins on a new branch."
        )
    return f"**Stopped:** {loop.reason} The branch and the worktree are kept. `/retry <hint>` goes on from here."


def taken_over_reason(by: str, sha: str) -> str:
    """A person goes on with the work. `sha`: the candidate that only we have."""
    candidate = f" The last candidate, `{sha[:7]}`, goes to the branch as it is, not proven." if sha else ""
    return f"{by} took over.{candidate}"


def cancelled_message() -> str:
    """The ticket is not wanted any more."""
    return "**Cancelled.** The work has ended; branch and worktree are removed."


def changes_message(by: str, revision: int) -> str:
    """A request for changes starts another iteration."""
    return f"On it: revision {revision}, as {by} asked, on the same branch."


def approved_message(by: str, sha: str) -> str:
    """An approval holds for one commit."""
    return f"Approved by {by} at `{sha[:7]}`. `/merge` merges exactly that commit."


def approved_on_ticket_message(loop: Loop, by: str) -> str:
    """The approval as it shows on the pull request."""
    return f"Approved at `{loop.pushed_sha[:7]}` by {by} on {loop.identifier}."


def not_approved_message(loop: Loop) -> str:
    """`/merge` without an approval of the current head."""
    return (
        f"Not merged: nobody has approved `{loop.pushed_sha[:7]}` yet. Answer `/approve`, or approve the pull request."
    )


def merge_called_off_reason(by: str) -> str:
    """`/stop` before the merge was carried out."""
    return f"{by} called the merge off. `/merge` merges after all, `/changes <what>` starts another round."


def outdated_command_message(command: str, loop: Loop) -> str:
    """A word about the commit under review that was written before the commit was there."""
    return (
        f"`/{command}` was written before `{loop.pushed_sha[:7]}` could be seen, so it does not count for it. "
        "Look at it, and say so again."
    )


def not_now_message(command: str, loop: Loop) -> str:
    """A command that makes no sense at this stage."""
    return f"`/{command}` does nothing now: this ticket is at “{state_message(loop.stage)}”."


def not_allowed_message(command: str, by: str) -> str:
    """A command by somebody who may not give it."""
    return f"`/{command}` was not carried out: {by or 'this account'} may not steer Loopline here."


def unknown_command_message(command: str) -> str:
    """A slash word that is none of ours."""
    return f"I do not know `/{inline(command)}`. I know {COMMANDS}; anything else is guidance for the agent."


def foreign_commit_message(by: str, sha: str) -> str:
    """A person pushed to our branch."""
    return (
        f"{by or 'Somebody'} pushed `{sha[:7]}` to the branch, so the verdict no longer holds and I keep my hands off. "
        "`/changes <what>` lets me go on from that commit."
    )


def closed_reason(by: str) -> str:
    """Why a loop stopped when its pull request was closed."""
    return f"the pull request was closed{f' by {by}' if by else ''} without a merge."


def publishing_message() -> str:
    """Words that come in the moment between verdict and pull request."""
    return "The pull request is just being opened: `/changes <what>` starts another round when it is there."


def budget_message(by: str, more: float, cap: float) -> str:
    """Somebody added money; a run under way was promised its limit when it started."""
    return f"${more:.2f} more, as {by} said: from the next run on this ticket may cost ${cap:.2f}."


def accepted_message(by: str, sha: str) -> str:
    """A person said yes to changes of tests or checks."""
    return f"{by} accepted the changes to tests and checks in `{sha[:7]}`. Going on."


def unchecked_description() -> str:
    """The status on a commit that is not ours."""
    return "not checked: this commit is not the one that was judged"
