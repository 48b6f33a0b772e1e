"""Replies to comments, commands and actions of people. Called by `jobs.workflow`."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.loop.state import OPEN, Loop, Stage
from jobs.messages.foreign import branch_left_message
from jobs.messages.text import code, format_time, inline, quoted, state_message

EARLIER_THAN_QUESTION_MESSAGE = (
    "The agent gets your comment, but its question came after it: please read the question above, and reply again."
)


def stopped_message(loop: Loop, left: str = "") -> str:
    """`left` is the branch that the clean-up leaves in place."""
    stopped = f"**Stopped:** {inline(loop.reason)}"
    if left and not loop.workspace.taken_over_by:
        return f"{stopped} {branch_left_message(left, loop.foreign.pushes)} `/retry <hint>` starts on a new branch."
    if loop.workspace.taken_over_by:
        return (
            f"{stopped} The branch stays as it is. `/resume` continues on it, on top of your commits; `/retry <hint>` "
            "starts on a new branch."
        )
    if not loop.workspace.branch:
        return f"{stopped} The branch and worktree were deleted. `/retry <hint>` starts on a new branch."
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


def approved_message(by: str, sha: str, failing: Sequence[str] = ()) -> str:
    """An approval, which is valid for one commit; `failing` are the names of its failing checks."""
    names = ", ".join(code(name) for name in failing[:5]) + (f" and {len(failing) - 5} more" if failing[5:] else "")
    red = f" It has failing checks: {names}." if failing else ""
    return f"Approved by {inline(by)} at `{sha[:7]}`.{red} `/merge` merges exactly that commit."


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
    """A command that does not apply in this stage, with the ones that do."""
    now = f" Now you can use {_join_commands(_ALLOWED[loop.stage])}." if loop.stage in _ALLOWED else ""
    return f"Ignored {code('/' + command)}: it does not apply while the state is “{state_message(loop.stage)}”.{now}"


_ALLOWED: dict[Stage, tuple[str, ...]] = {
    Stage.ASKING: ("retry", "takeover", "cancel"),
    Stage.PUBLISHING: ("changes", "stop"),
    Stage.CI: ("changes", "approve", "merge", "takeover"),
    Stage.REVIEW: ("changes", "approve", "merge", "takeover"),
    Stage.MERGING: ("stop", "changes"),
    Stage.NEEDS_HUMAN: ("retry", "takeover", "close"),
    Stage.STOPPED: ("retry", "resume", "close"),
}


def _join_commands(names: Sequence[str]) -> str:
    *first, last = [code(f"/{name}") for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def missing_text_message(command: str) -> str:
    """A command that needs a text."""
    examples = {"budget": "/budget +3", "link": "/link octocat"}
    example = examples.get(command, f"/{command} make the name shorter")
    return f"Ignored {code('/' + command)}: it needs more, for example {code(example)}."


def nearest_command_message(command: str, nearest: str) -> str:
    return f"There is no command {code('/' + command)}. Did you mean {code('/' + nearest)}?"


def help_again_message(unknown: str, at: float) -> str:
    """The list of commands was posted at `at` (Unix seconds), less than a day ago."""
    head = f"There is no command {code('/' + unknown)}. " if unknown else ""
    return f"{head}The list of commands is in the comment of {format_time(at)}."


def conflict_message(commands: Sequence[str], applied: str) -> str:
    """Commands of one comment that contradict each other; `applied` is the one that counts, empty for none."""
    names = " and ".join(code(f"/{name}") for name in commands)
    if applied:
        return f"{names} contradict each other: only {code('/' + applied)} was applied."
    return f"{names} contradict each other, so none of them was applied. Send the one that you want."


def not_allowed_message(command: str, by: str) -> str:
    name = inline(by) or "this account"
    return f"Ignored {code('/' + command)}: {name} does not have permission to control Loopline here."


def noted_message(loop: Loop) -> str:
    """A comment that is kept for the next round, with the command that starts one."""
    if loop.stage in OPEN:
        return "Noted. It is part of the next revision: `/changes` starts one with it."
    if loop.stage is Stage.NEEDS_HUMAN and loop.escalation and loop.escalation.kind == "budget":
        return "Noted. It is part of the next run: `/budget +3` adds three dollars and continues."
    return "Noted. It is part of the next run: `/retry` starts one with it."


def unclear_message(loop: Loop, doubt: str) -> str:
    """A comment whose meaning is unclear; `doubt` is the agent's sentence about it."""
    start = "`/changes` starts a revision" if loop.stage in OPEN else "`/retry` starts the next attempt"
    return "\n\n".join(
        [
            f"I am not sure whether you want something changed. {start} with your comment; a question I can answer.",
            *([quoted(doubt)] if doubt.strip() else []),
        ]
    )


def answer_message(loop: Loop, answer: str) -> str:
    """The agent's answer to a question, quoted, with its origin."""
    sha = loop.candidate.head_sha[:7]
    origin = f"the contract, the evidence and the files at `{sha}`" if sha else "the ticket and the repository"
    return f"{quoted(answer)}\n\nAn agent read {origin} for this; nothing was changed."


def done_message(loop: Loop) -> str:
    """A comment on a ticket that has ended, with the ways to go on."""
    state = "closed" if loop.reason else "done"
    return (
        f"This ticket is {state}, so no agent works on it. For more work, create a new ticket with your comment, or "
        "add it to the description and move this one back to the agent column."
    )


def attempt_started_message(by: str) -> str:
    """A person's answer started the next attempt."""
    return f"Thanks, {inline(by)}. The next attempt starts with your answer."


def answered_guidance(question: str, answer: str) -> str:
    """The answer to an agent's question, for the next agent, which did not ask it."""
    return f"Answer to the question “{' '.join(question.split())}”:\n{answer}"


def corrected_guidance(text: str) -> str:
    """The new text of a comment whose old one an agent has read."""
    return f"Corrected: {text}\n(The comment was edited; its earlier text no longer counts.)"


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


def budget_message(by: str, more: float, cap: float) -> str:
    """Budget was added. It applies from the next run on, because a run's limit is fixed at its start."""
    return f"{inline(by)} added ${more:.2f}. From the next run on, the ticket's budget is ${cap:.2f}."


def moved_reason(column: str) -> str:
    return f"the ticket was moved to {inline(column)}."


def command_reason(by: str, command: str) -> str:
    """A person ended the work with a command."""
    return f"{code('/' + command)} by {inline(by)}."


REMOVED_REASON = "The ticket was removed."


def not_merged_reason(reason: str) -> str:
    return f"Not merged: {inline(reason)}"


def criteria_met_description(total: int) -> str:
    return f"done: {total} of {total} criteria met"
