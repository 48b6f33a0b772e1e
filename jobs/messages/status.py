"""Replies to `/help`, `/status` and `/why`. Called by `jobs.workflow.steering`."""

from __future__ import annotations

from integrations.values import QueuePlace
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.messages.ci import checks_line
from jobs.messages.escalations import ESCALATION_TITLES
from jobs.messages.experiments import counter_example_line, proof_line
from jobs.messages.progress import queued_message
from jobs.messages.text import MARKS, code, format_evidence, inline, money_message, state_message

_COMMANDS = {
    "/status": "state, cost, pull request, and what waits for whom",
    "/why": "the reason for the present state, with the evidence",
    "/run anyway": "starts a ticket that waits for others; `/run <automation>` starts an automation",
    "/stop": "stops the agent and keeps its work; `/cancel` is the same",
    "/retry <hint>": "starts again with what is there and with your hint",
    "/changes <what>": "starts another revision of the pull request",
    "/approve": "approves the commit under review",
    "/merge": "merges the approved commit, or lists what is missing; `/merge anyway` leaves out what is not required",
    "/ticket <what>": "files a linked ticket for later; without a text, one with the checker's findings",
    "/ignore <reason>": "rejects the finding of an automation, so that it is not filed again",
    "/accept": "accepts the listed changes in the present commit",
    "/budget +<dollars>": "adds to the ticket's budget",
    "/takeover": "hands the branch to you",
    "/link <login>": "names your account on the code host",
    "/resume": "continues on the branch, on top of your commits",
    "/close": "abandons the ticket and deletes the branch",
    "/freeze <reason>, /thaw": "stops and continues the whole service",
}
_WAITS: dict[Stage, str] = {
    Stage.IDLE: "The ticket was not handed over: move it to the agent column.",
    Stage.WAITING: "It starts by itself; `/run anyway` starts it now.",
    Stage.ASKING: "It waits for your answer to the question above.",
    Stage.CI: "It waits for the checks of the code host, then for your review; `/changes <what>` applies now.",
    Stage.REVIEW: "It waits for your review: `/approve` and `/merge`, or `/changes <what>`.",
    Stage.MERGING: "It waits for the code host to merge.",
    Stage.NEEDS_HUMAN: "It waits for your decision: the choices are in the escalation comment.",
    Stage.STOPPED: "It waits for you: `/retry <hint>` continues, `/close` ends it.",
    Stage.DONE: "Nothing waits.",
}


def help_message(unknown: str, loop: Loop) -> str:
    """The list of commands; `unknown` is a command that does not exist, empty for `/help`."""
    lines = "\n".join(f"- {code(name)}: {effect}" for name, effect in _COMMANDS.items())
    head = f"There is no command {code('/' + unknown)}. " if unknown else ""
    return f"{head}Commands, at the start of a line:\n\n{lines}\n\n{_free_text(loop)}"


def _free_text(loop: Loop) -> str:
    if loop.stage in AT_WORK:
        return "Anything else that you write here is guidance for the agent."
    if loop.stage in OPEN:
        return "Write anything else as it is: a request starts a revision, a question is answered."
    return "Anything else that you write here is part of the next round."


def status_message(loop: Loop, budget: float, queued: QueuePlace | None = None) -> str:
    """State, cost against the ticket's `budget` in US dollars, pull request, and the next one to act. `queued`: its run
    waits for an agent."""
    state = queued_message(queued) if queued else state_message(loop.stage)
    lines = [f"**{state}**{_format_progress(loop)} · {money_message(loop)} of ${budget:.2f}"]
    if loop.reason:
        lines.append(inline(loop.reason))
    if line := checks_line(loop):
        lines.append(line)
    if line := proof_line(loop.candidate.gate):
        lines.append(line)
    if loop.pull_request.url:
        lines.append(f"Pull request: {loop.pull_request.url}")
    if waiting := len(loop.comments.pending) + len(loop.comments.answering.open) + len(loop.comments.noted):
        lines.append(f"Comments that no agent has read yet: {waiting}.")
    at_work = "It waits for an agent." if queued else "The agent is at work; nothing waits for you."
    lines.append(_WAITS.get(loop.stage, at_work))
    return "\n\n".join(lines)


def _format_progress(loop: Loop) -> str:
    parts = [f"attempt {loop.attempt.number}, iteration {loop.attempt.iteration}"] if loop.attempt.iteration else []
    parts += [f"revision {loop.revision}"] if loop.revision else []
    parts += [code(loop.candidate.head_sha[:7])] if loop.candidate.head_sha else []
    return "".join(f" · {part}" for part in parts)


def why_message(loop: Loop) -> str:
    """The reason for the present state: escalation, verdict, failing commands, and the last steps."""
    head = f"**{state_message(loop.stage)}**"
    if loop.escalation and loop.stage is Stage.NEEDS_HUMAN:
        head += f": {ESCALATION_TITLES[loop.escalation.kind]}"
    parts = [f"{head}. {inline(loop.reason)}".strip() if loop.reason else f"{head}."]
    if results := _format_results(loop):
        parts.append(f"Verdict on `{loop.candidate.head_sha[:7]}`:\n{results}")
    if failing := [e for e in loop.candidate.evidence if e.failed][:3]:
        parts.append("Failing:\n" + "\n".join(f"- {format_evidence(e)}" for e in failing))
    if loop.all_tried:
        parts.append("Last steps:\n" + "\n".join(f"- {inline(line)}" for line in loop.all_tried[-3:]))
    if len(parts) == 1 and not loop.reason:
        parts.append(_WAITS.get(loop.stage, "No problem so far: the agent is at work."))
    return "\n\n".join(parts)


def _format_results(loop: Loop) -> str:
    """Of a verdict that means done each criterion's mark, else those that are not met, with the evidence."""
    verdict = loop.candidate.verdict
    if not verdict or not loop.contract or verdict.head_sha != loop.candidate.head_sha:
        return ""
    texts = {criterion.id: criterion.text for criterion in loop.contract.criteria}
    decisive = {one.criterion: counter_example_line(one) for one in reversed(verdict.examples)}
    unmet = [result for result in verdict.results if result.result != "pass"]
    return "\n".join(
        f"- {MARKS[result.result]} {inline(texts.get(result.criterion, result.criterion), 200)} — "
        f"{decisive.get(result.criterion) or inline(result.evidence, 200) or 'no evidence'}"
        for result in (unmet or verdict.results)[:10]
    )
