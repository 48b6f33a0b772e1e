"""The progress comment. Called by `jobs.workflow.report`."""

from __future__ import annotations

from integrations.values import QueuePlace
from jobs.loop.running_check import RunningCheck
from jobs.loop.state import OPEN, Loop, Stage
from jobs.messages.ci import progress_line
from jobs.messages.contract import may_change_line
from jobs.messages.environment import preflight_line
from jobs.messages.experiments import proof_line
from jobs.messages.network import blocked_commands_line
from jobs.messages.text import (
    MARKS,
    code,
    fit_lines,
    fold,
    format_time,
    format_version,
    inline,
    limit_words,
    link,
    money_message,
    state_message,
)

SUPERSEDED_MESSAGE = "Superseded: see the newest progress comment."
"""The progress comment of an earlier generation."""
_LIST_WORDS, _TEXT_WORDS, _REASON_WORDS, _LINE_WORDS = 40, 14, 25, 20


def progress_message(
    loop: Loop, iterations: int, queued: QueuePlace | None = None, check: RunningCheck | None = None
) -> str:
    """The body of the progress comment, which is edited in place. `queued`: its run waits for an agent; `check`: the
    command that the gate runs."""
    head = f"**{queued_message(queued) if queued else state_message(loop.stage)}**"
    if loop.attempt.iteration:
        head += f" · attempt {loop.attempt.number}" if loop.attempt.number > 1 else ""
        head += f" · iteration {loop.attempt.iteration} of {iterations}"
    if loop.revision:
        head += f" · revision {loop.revision}"
    if loop.candidate.head_sha:
        head += f" · `{loop.candidate.head_sha[:7]}`"
    head += f" · {money_message(loop)}"
    parts = [head]
    if check:
        parts.append(running_check_line(check))
    if loop.reason:
        parts.append(inline(limit_words(loop.reason, _REASON_WORDS)))
    shown, others = fit_lines(_list_criteria(loop), _LIST_WORDS)
    if loop.contract:
        shown += [f"- … and {len(others)} more below"] * bool(others)
        parts.append(f"Acceptance criteria (contract {format_version(loop.contract)}):\n" + "\n".join(shown))
        parts += filter(None, [may_change_line(loop.contract.may_change)])
    if line := proof_line(loop.candidate.gate):
        parts.append(line)
    if line := preflight_line(loop.preflight.result, loop.workspace.base_branch):
        parts.append(line)
    if line := blocked_commands_line(loop.blocked, loop.workflow.network):
        parts.append(line)
    if loop.all_tried:
        parts.append(f"Tried last: {inline(limit_words(loop.all_tried[-1], _LINE_WORDS))}")
    if loop.checkpoint:
        parts.append(f"The unfinished files of the interrupted run are kept in checkpoint `{loop.checkpoint[:7]}`.")
    if loop.comments.taken_up:
        parts.append(f"Comments delivered to the agent: {loop.comments.taken_up}.")
    if line := progress_line(loop):
        parts.append(line)
    if loop.pull_request.url:
        name = f"pull request {loop.pull_request.number}" if loop.pull_request.number else "pull request"
        parts.append(f"See {link(name, loop.pull_request.url)}.")
    tried = [f"- {inline(line)}" for line in loop.all_tried[-6:-1]]
    details = fold("Details", "\n".join(others), "Tried before:\n" + "\n".join(tried) if tried else "")
    return "\n\n".join(filter(None, [*parts, _next_step(loop), details]))


def queued_message(queued: QueuePlace) -> str:
    """As 'Queued, 3rd of 5, all 4 agents are busy'."""
    last = queued.place % 10 if queued.place % 100 not in {11, 12, 13} else 0
    place = f"Queued, {queued.place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') } of {queued.waiting}"
    if not queued.agents:
        return f"{place}, no agent process is running"
    if queued.busy < queued.agents:
        return place
    return f"{place}, " + (f"all {queued.agents} agents are busy" if queued.agents > 1 else "the agent is busy")


def running_check_line(check: RunningCheck) -> str:
    """As 'Check 2 of 5 since 14:05 UTC, at most 30 min: `npm test`'."""
    limit = f"{check.limit / 60:.0f} min" if check.limit >= 60 else f"{check.limit:.0f} s"
    command = code(limit_words(check.command, _LINE_WORDS))
    return f"Check {check.number} of {check.total} since {format_time(check.started_at)}, at most {limit}: {command}"


def _list_criteria(loop: Loop) -> list[str]:
    """A line for each criterion."""
    marks = {e.name: MARKS["pass" if e.passed else "fail"] for e in loop.candidate.evidence}
    if loop.candidate.verdict:
        marks |= {r.criterion: MARKS[r.result] for r in loop.candidate.verdict.results}
    lines = []
    for c in loop.contract.criteria if loop.contract else ():
        command = (
            f" ({code(limit_words(c.command, _LINE_WORDS))})" if c.command and f"`{c.command}`" not in c.text else ""
        )
        lines.append(f"- {marks.get(c.id, '○')} {inline(limit_words(c.text, _TEXT_WORDS))}{command}")
    return lines


def _next_step(loop: Loop) -> str:
    if loop.stage is Stage.CI:
        return "Next: when the checks pass, the ticket moves to review. `/changes <what>` and a review apply at once."
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
