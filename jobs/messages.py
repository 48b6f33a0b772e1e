"""Every sentence that Loopline writes for people: on tickets, on pull requests, in statuses. Called by `jobs.workflow`.

Values in, Markdown out. Nothing else in the product composes text that people read on the board.
"""

from __future__ import annotations

from integrations.results import CriterionResult, Evidence, Finding
from integrations.values import Ticket
from jobs.loop import OPEN, Contract, Loop, Stage

STATUS_CONTEXT = "loopline/verdict"
COMMANDS = "`/stop`, `/changes <what>`, `/approve`, `/merge`, `/retry <hint>`"

_MARKS = {"pass": "✔", "fail": "✘", "unsure": "?"}
_RETRY = "Answer `/retry <hint>`, or change the ticket and move it back to the agent column; the work so far is kept."

_STATES = {
    Stage.IDLE: "Idle",
    Stage.PREPARING: "Preparing the workspace",
    Stage.PLANNING: "Working out what done means",
    Stage.ASKING: "Waiting for a finish line",
    Stage.SCOUTING: "Looking around",
    Stage.MAKING: "Working",
    Stage.GATING: "Running the checks",
    Stage.JUDGING: "Judging the result",
    Stage.CHECKING: "A second agent is checking",
    Stage.PUBLISHING: "Opening the pull request",
    Stage.REVIEW: "Ready for review",
    Stage.MERGING: "Merging",
    Stage.NEEDS_HUMAN: "Needs you",
    Stage.STOPPED: "Stopped",
    Stage.DONE: "Done",
}


def state_message(stage: Stage) -> str:
    """The stage in two or three words."""
    return _STATES[stage]


def progress_message(loop: Loop, iterations: int) -> str:
    """The one progress comment, edited in place."""
    head = f"**{state_message(loop.stage)}**"
    if loop.iteration:
        head += f" · iteration {loop.iteration} of {iterations}"
    if loop.revision:
        head += f" · revision {loop.revision}"
    if loop.head_sha:
        head += f" · `{loop.head_sha[:7]}`"
    head += f" · {money_message(loop)}"
    parts = [head]
    if loop.reason:
        parts.append(loop.reason)
    if loop.contract:
        parts.append(f"Done means (contract `{loop.contract.digest}`):\n" + _criteria(loop))
    if loop.tried:
        parts.append("Tried:\n" + "\n".join(f"- {line}" for line in loop.tried[-6:]))
    if loop.heard:
        parts.append(f"Comments taken up by the agent: {loop.heard}.")
    if loop.failing_checks:
        parts.append("Failing on the code host: " + ", ".join(f"`{name}`" for name in loop.failing_checks) + ".")
    if loop.pull_request_url:
        parts.append(f"Pull request: {loop.pull_request_url}")
    return "\n\n".join([*parts, _next(loop)])


def money_message(loop: Loop) -> str:
    """What the loop has spent so far."""
    return f"{loop.usage.model_calls} model calls, ${loop.usage.cost_usd:.2f}"


def _criteria(loop: Loop) -> str:
    assert loop.contract
    marks = _marks(loop)
    lines = []
    for c in loop.contract.criteria:
        command = f" (`{c.command}`)" if c.command and f"`{c.command}`" not in c.text else ""
        lines.append(f"- {marks.get(c.id, '○')} {c.text}{command}")
    return "\n".join(lines)


def _marks(loop: Loop) -> dict[str, str]:
    marks = {e.name: _MARKS["pass" if e.passed else "fail"] for e in loop.evidence}
    if loop.verdict:
        marks |= {r.criterion: _MARKS[r.result] for r in loop.verdict.results}
    return marks


def _next(loop: Loop) -> str:
    if loop.stage in OPEN:
        return "Next: review the pull request, or answer here with `/approve` and `/merge`, or `/changes <what>`."
    if loop.stage in {Stage.NEEDS_HUMAN, Stage.STOPPED}:
        return "Next: move the ticket back to the agent column, or answer `/retry <hint>`."
    if loop.stage is Stage.DONE:
        return "Nothing is left to do."
    if loop.stage is Stage.ASKING:
        return "Next: answer the question above."
    return "A comment here reaches the agent before its next step; `/stop` stops it."


def question_message(ticket: Ticket) -> str:
    """There is no finish line."""
    return (
        f"I need a finish line before I start on **{_inline(ticket.title)}**: neither the ticket nor the repository "
        "says what done means here.\n\n"
        "Please answer with a list, for example:\n\n"
        "- `python3 -m pytest tests/auth` passes\n"
        "- the sixth login within a minute is answered with 429\n\n"
        "or add a **Done when** list to the description. Answer `ok` to let the checker judge the title alone. "
        "Nothing is spent until then."
    )


def started_again_message(by: str) -> str:
    """A person's answer settled the finish line."""
    return f"Thank you, {by}: that is a finish line. Starting."


def verdict_message(loop: Loop) -> str:
    """The checker's verdict, for the ticket."""
    assert loop.verdict and loop.contract
    total = len(loop.contract.criteria)
    return "\n\n".join(
        [
            (
                f"**Verdict: done ({total}/{total}).** Checked at `{loop.head_sha[:7]}` by a second agent that could "
                f"only read, against commands that Loopline ran itself. Pull request: {loop.pull_request_url}"
            ),
            _results(loop.contract, loop.verdict.results),
            "Not checked:\n" + _not_checked(loop),
            f"Spent: {money_message(loop)}. Answer `/approve` and `/merge`, or `/changes <what>`.",
        ]
    )


def _results(contract: Contract, results: tuple[CriterionResult, ...]) -> str:
    by_id = {r.criterion: r for r in results}
    lines = []
    for c in contract.criteria:
        r = by_id.get(c.id)
        lines.append(f"- {_MARKS[r.result]} {c.text} — {_inline(r.evidence)}" if r else f"- ? {c.text} — not judged")
    return "\n".join(lines)


def _not_checked(loop: Loop) -> str:
    assert loop.verdict
    return "\n".join(f"- {_inline(line)}" for line in loop.verdict.not_checked) or "- nothing was named"


def pull_request_title(loop: Loop) -> str:
    """Linear recognises the identifier in a title."""
    return f"{loop.identifier}: {_inline(loop.ticket.title)}"[:250]


def pull_request_body(loop: Loop) -> str:
    """What and why, the contract with its results, what was not checked, and a line that Linear recognises."""
    assert loop.verdict and loop.contract
    return "\n\n".join(
        [
            f"Fixes {loop.identifier}",
            "## What and why\n\n" + "\n\n".join(filter(None, (_inline(loop.ticket.title), _quiet(loop.summary)))),
            f"## Contract `{loop.contract.digest}`, checked at `{loop.head_sha[:7]}`\n\n"
            + _results(loop.contract, loop.verdict.results),
            "## Evidence\n\n" + "\n".join(_evidence(e) for e in loop.evidence),
            "## Not checked\n\n" + _not_checked(loop),
            *_findings(loop),
            f"[{loop.identifier}]({loop.ticket.url}) · {loop.iteration} iterations · {money_message(loop)}",
        ]
    )


def _findings(loop: Loop) -> list[str]:
    assert loop.verdict
    lines = [f"- {_finding(finding)}" for finding in loop.verdict.findings]
    return ["## Findings\n\n" + "\n".join(lines)] if lines else []


def _finding(finding: Finding) -> str:
    place = f"`{finding.path}:{finding.line}`: " if finding.path else ""
    return f"{finding.severity}: {place}{_inline(finding.text)}"


def _evidence(e: Evidence) -> str:
    return f"- `{e.command}` → exit {e.exit_code} in {e.seconds:.1f} s, output SHA-256 `{e.digest[:12]}`"


def pull_request_subtitle(loop: Loop) -> str:
    """Below the pull request's link on the ticket."""
    return f"{state_message(loop.stage)} · {loop.head_sha[:7]}"


def escalation_message(loop: Loop) -> str:
    """The loop cannot go on without a person."""
    tried = "\n".join(f"- {line}" for line in loop.tried) or "- nothing yet"
    failing = [e for e in loop.evidence if not e.passed][:3]
    shown = [f"Last output of `{e.command}` (exit {e.exit_code}):\n\n```\n{_fenced(e.output)}\n```" for e in failing]
    return "\n\n".join(
        [
            f"**Needs you:** {loop.reason}",
            "Tried:\n" + tried,
            *shown,
            f"Spent: {money_message(loop)}. {_RETRY}",
        ]
    )


def stopped_message(loop: Loop) -> str:
    """The loop stopped because somebody wanted it."""
    if not loop.branch:
        return (
            f"**Stopped:** {loop.reason} The branch and the worktree are gone. `/retry <hint>` begins on a new branch."
        )
    return f"**Stopped:** {loop.reason} The branch and the worktree are kept. `/retry <hint>` goes on from here."


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


def older_word_message(command: str, loop: Loop) -> str:
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
    return f"I do not know `/{_inline(command)}`. I know {COMMANDS}; anything else is guidance for the agent."


def merged_message(loop: Loop) -> str:
    """The end of the story."""
    return f"**Merged.** {loop.pull_request_url} · {money_message(loop)}. The worktree and the branch are gone."


def foreign_commit_message(by: str, sha: str) -> str:
    """A person pushed to our branch."""
    return (
        f"{by or 'Somebody'} pushed `{sha[:7]}` to the branch, so the verdict no longer holds and I keep my hands off. "
        "`/changes <what>` lets me go on from that commit."
    )


def closed_reason(by: str) -> str:
    """Why a loop stopped when its pull request was closed."""
    return f"the pull request was closed{f' by {by}' if by else ''} without a merge."


def put_aside_reason(item: str, fault: str, letter_id: str) -> str:
    """An item that Loopline itself cannot deal with."""
    return (
        f"Loopline failed at `{item}` again and again ({fault}) and has put it aside; "
        f"`python -m service redrive {letter_id}` tries it once more."
    )


def died_reason(times: int) -> str:
    """What is the matter with work that ends its process."""
    return f"its process died {times} times"


def approve_again_reason() -> str:
    """What a rebuilt loop that was merging waits for when nobody's approval can be found."""
    return "Loopline's memory was rebuilt from this ticket while it merged: answer `/approve` and `/merge` once more."


def rebuilt_reason() -> str:
    """Why a rebuilt loop waits when its last word is on the ticket and nowhere else."""
    return "Loopline's memory was rebuilt from this ticket; the last comment above says what it waits for."


def no_change_reason() -> str:
    """Everything in the contract holds already."""
    return "nothing had to change: everything in the contract holds on the base branch already."


def iteration_line(loop: Loop, outcome: str) -> str:
    """One line of what was tried."""
    sha = f" at `{loop.head_sha[:7]}`" if loop.head_sha else ""
    return f"iteration {loop.iteration}{sha}: {outcome}"


def said_more_line() -> str:
    """A passing verdict, but somebody wrote while nobody could hear it."""
    return "done, but people said more meanwhile"


def publishing_message() -> str:
    """Words that come in the moment between verdict and pull request."""
    return "The pull request is just being opened: `/changes <what>` starts another round when it is there."


def gate_failed_line(failing: list[Evidence]) -> str:
    """What the gate said."""
    return "the gate failed: " + ", ".join(f"`{e.command}` exit {e.exit_code}" for e in failing[:4])


def verdict_failed_line(open_results: list[CriterionResult]) -> str:
    """What the checker said."""
    return "the checker was not satisfied: " + "; ".join(
        f"{r.criterion} {r.result}{f' ({_inline(r.evidence)[:160]})' if r.evidence else ' without evidence'}"
        for r in open_results[:4]
    )


def _inline(text: str) -> str:
    """One line of somebody's text that cannot mention people, close issues or open a code fence."""
    return _quiet(" ".join(text.split()))


def _quiet(text: str) -> str:
    return text.replace("@", "@\u200b").replace("```", "'''").replace("<!--", "&lt;!--").replace("![", "[")


def _fenced(text: str) -> str:
    return text.strip()[-1500:].replace("```", "'''")
