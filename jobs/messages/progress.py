"""The progress comment. Called by `jobs.workflow.report`."""

from __future__ import annotations

from jobs.loop.state import OPEN, Loop, Stage
from jobs.messages.environment import preflight_line
from jobs.messages.text import MARKS, code, format_version, inline, money_message, state_message

SUPERSEDED_MESSAGE = "Superseded: see the newest progress comment."
"""The progress comment of an earlier generation."""


def progress_message(loop: Loop, iterations: int) -> str:
    """The body of the progress comment, which is edited in place."""
    head = f"**{state_message(loop.stage)}**"
    if loop.attempt.iteration:
        head += f" · attempt {loop.attempt.number}" if loop.attempt.number > 1 else ""
        head += f" · iteration {loop.attempt.iteration} of {iterations}"
    if loop.revision:
        head += f" · revision {loop.revision}"
    if loop.candidate.head_sha:
        head += f" · `{loop.candidate.head_sha[:7]}`"
    head += f" · {money_message(loop)}"
    parts = [head]
    if loop.reason:
        parts.append(inline(loop.reason))
    if loop.contract:
        parts.append(f"Acceptance criteria (contract {format_version(loop.contract)}):\n" + _criteria(loop))
    if line := preflight_line(loop.preflight.result, loop.workspace.base_branch):
        parts.append(line)
    if loop.all_tried:
        parts.append("Tried:\n" + "\n".join(f"- {inline(line)}" for line in loop.all_tried[-6:]))
    if loop.checkpoint:
        parts.append(f"The unfinished files of the interrupted run are kept in checkpoint `{loop.checkpoint[:7]}`.")
    if loop.comments.taken_up:
        parts.append(f"Comments delivered to the agent: {loop.comments.taken_up}.")
    if loop.pull_request.failing_checks:
        parts.append(
            "Failing on the code host: " + ", ".join(code(name) for name in loop.pull_request.failing_checks) + "."
        )
    if loop.pull_request.url:
        parts.append(f"Pull request: {loop.pull_request.url}")
    return "\n\n".join([*parts, _next_step(loop)])


def _criteria(loop: Loop) -> str:
    assert loop.contract
    marks = {e.name: MARKS["pass" if e.passed else "fail"] for e in loop.candidate.evidence}
    if loop.candidate.verdict:
        marks |= {r.criterion: MARKS[r.result] for r in loop.candidate.verdict.results}
    lines = []
    for c in loop.contract.criteria:
        command = f" ({code(c.command)})" if c.command and f"`{c.command}`" not in c.text else ""
        lines.append(f"- {marks.get(c.id, '○')} {inline(c.text)}{command}")
    return "\n".join(lines)


def _next_step(loop: Loop) -> str:
    if loop.stage in OPEN:
        return "Next: review the pull request, or reply here with `/approve` and `/merge`, or `/changes <what>`."
    if loop.stage is Stage.NEEDS_HUMAN:
        return "Next: choose one of the options in the escalation comment, or move the ticket back to the agent column."
    if loop.stage is Stage.STOPPED:
        return "Next: move the ticket back to the agent column, or reply `/retry <hint>`."
    if loop.stage is Stage.DONE:
        return "Nothing left to do."
    if loop.stage is Stage.ASKING:
        return "Next: answer the question in the comments."
    return "Comments here are delivered to the agent before its next step; `/stop` stops it."
