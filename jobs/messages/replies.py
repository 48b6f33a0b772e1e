"""Replies to comments, commands and actions of people. Called by `jobs.workflow`."""

from __future__ import annotations

from jobs.loop.state import Loop
from jobs.messages.text import code, format_time, inline, state_message

COMMANDS = (
    "`/stop`, `/retry <hint>`, `/changes <what>`, `/approve`, `/merge`, `/accept`, `/budget +<dollars>`, `/takeover`, "
    "`/close`, `/freeze <reason>`, `/thaw`"
)


def stopped_message(loop: Loop) -> str:
    stopped = f"**Stopped:** {inline(loop.reason)}"
    if not loop.workspace.branch:
        return f"{stopped} The branch and worktree were deleted. `/retry <hint>` starts on a new branch."
    if loop.workspace.taken_over_by:
        return f"{stopped} The branch is left to them. `/retry <hint>` starts on a new branch."
    return f"{stopped} The branch and worktree are kept. `/retry <hint>` continues from here."


def taken_over_reason(by: str, sha: str) -> str:
    """A person takes over. `sha` is the candidate that has not been pushed yet."""
    candidate = f" The latest candidate, `{sha[:7]}`, is pushed to the branch without a verdict." if sha else ""
    return f"{inline(by)} took over.{candidate}"


def frozen_message(by: str, at: float) -> str:
    """`/freeze`, confirmed after the thaw, because nothing is posted before it."""
    return (
        f"**Frozen and thawed.** {inline(by)} froze Loopline with `/freeze` at {format_time(at)}. Until the thaw no "
        "agent ran and nothing was written; all work has continued since."
    )


def thawed_message(by: str) -> str:
    """`/thaw`."""
    return f"**Thawed.** {inline(by)} requested it with `/thaw`. All work continues."


def changes_message(by: str, revision: int) -> str:
    return f"Working on revision {revision} as requested by {inline(by)}, on the same branch."


def approved_message(by: str, sha: str) -> str:
    """An approval, which is valid for one commit."""
    return f"Approved by {inline(by)} at `{sha[:7]}`. `/merge` merges exactly that commit."


def approved_on_ticket_message(loop: Loop, by: str) -> str:
    """The approval, as a comment on the pull request."""
    return f"Approved at `{loop.pull_request.pushed_sha[:7]}` by {inline(by)} on {loop.identifier}."


def not_approved_message(loop: Loop) -> str:
    """`/merge` without an approval of the current head."""
    sha = loop.pull_request.pushed_sha[:7]
    return f"Not merged: `{sha}` has not been approved. Reply `/approve` or approve the pull request."


def merge_cancelled_reason(by: str) -> str:
    """`/stop` before the merge."""
    return f"{inline(by)} cancelled the merge. `/merge` merges, `/changes <what>` starts another revision."


def outdated_command_message(command: str, loop: Loop) -> str:
    """A command that is older than the commit under review."""
    return (
        f"Ignored {code('/' + command)}: it was written before `{loop.pull_request.pushed_sha[:7]}` was pushed. Review "
        "that commit and send the command again."
    )


def not_now_message(command: str, loop: Loop) -> str:
    return f"Ignored {code('/' + command)}: it does not apply while the state is “{state_message(loop.stage)}”."


def not_allowed_message(command: str, by: str) -> str:
    name = inline(by) or "this account"
    return f"Ignored {code('/' + command)}: {name} does not have permission to control Loopline here."


def unknown_command_message(command: str) -> str:
    known = f"Available commands: {COMMANDS}. Other comments are guidance for the agent."
    return f"Unknown command {code('/' + command)}. {known}"


def no_more_replies_message(replies: int, until: float) -> str:
    """The last reply before the limit applies; `until` is Unix seconds."""
    return (
        f"I have replied {replies} times on this ticket within an hour and post no further replies until "
        f"{format_time(until)}. Commands still take effect; the progress comment shows the state."
    )


def too_many_hand_overs_message(hand_overs: int, until: float) -> str:
    """A hand-over that is ignored; `until` is Unix seconds."""
    return (
        f"Not started: this ticket was handed over {hand_overs} times within an hour. Hand it over again after "
        f"{format_time(until)}, and check whether an automation does that."
    )


def too_many_comments_message(waiting: int) -> str:
    return (
        f"{waiting} comments are waiting for the agent, so this one is not passed on. Send it again after the next "
        "iteration, or put everything into the description."
    )


def foreign_commit_message(by: str, sha: str) -> str:
    return (
        f"{inline(by) or 'Another account'} pushed `{sha[:7]}` to the branch, so the verdict is void and I have "
        "paused. `/changes <what>` continues from that commit."
    )


def closed_reason(by: str) -> str:
    return f"the pull request was closed{f' by {inline(by)}' if by else ''} without being merged."


PUBLISHING_MESSAGE = "The pull request is being opened. Use `/changes <what>` afterwards to start another revision."
"""Guidance that arrives between verdict and pull request."""


def budget_message(by: str, more: float, cap: float) -> str:
    """Budget was added. It applies from the next run on, because a run's limit is fixed at its start."""
    return f"{inline(by)} added ${more:.2f}. From the next run on, the ticket's budget is ${cap:.2f}."


def accepted_message(by: str, sha: str) -> str:
    return f"{inline(by)} accepted the changes to tests and checks in `{sha[:7]}`. Continuing."


UNCHECKED_DESCRIPTION = "not checked: the verdict is for another commit"
"""The status of a foreign commit."""


def moved_reason(column: str) -> str:
    return f"the ticket was moved to {inline(column)}."


def pushed_reason(by: str) -> str:
    """A foreign commit arrived during the work."""
    return f"{inline(by) or 'another account'} pushed to the branch."


def command_reason(by: str, command: str) -> str:
    """A person ended the work with a command."""
    return f"{code('/' + command)} by {inline(by)}."


REMOVED_REASON = "The ticket was removed."


def not_merged_reason(reason: str) -> str:
    return f"Not merged: {inline(reason)}"


def criteria_met_description(total: int) -> str:
    return f"done: {total} of {total} criteria met"
