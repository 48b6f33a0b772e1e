"""Invariants: after each decision, before each effect, and when everything is at rest.

Called by `worker` and `world`. A broken promise raises `Violation`, whose `promise` names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from integrations.events import Event, PullRequestCommented, ReviewSubmitted, RunFinished, TicketCommented
from integrations.ports.tracker import ColumnRole as Column
from integrations.results import Checked
from integrations.values import Usage
from jobs.effects.gather import parse_time
from jobs.loop import commands as c
from jobs.loop.state import AT_WORK, LOOP, OPEN, Loop, Stage
from jobs.store.mailboxes import Posted
from jobs.workflow import Decision, ServicePolicy
from jobs.workflow.limits import HOUR
from jobs.workflow.preflight import awaits_new_base
from jobs.workflow.report import report_of
from jobs.workflow.run import FREE, is_running
from tests.loops import changed
from tests.simulation.memory import Box, Memory
from tests.simulation.outside import MAIN, Board, Host

AT_REST = frozenset({Stage.IDLE, Stage.ASKING, Stage.NEEDS_HUMAN, Stage.REVIEW, Stage.STOPPED, Stage.DONE})
COLUMN_OF: dict[Stage, Column] = {
    Stage.ASKING: "needs_human",
    Stage.NEEDS_HUMAN: "needs_human",
    Stage.REVIEW: "review",
    Stage.DONE: "done",
}
HEEDED = AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN, Stage.STOPPED}


class Violation(AssertionError):
    """A promise that did not hold."""

    def __init__(self, promise: str, story: str) -> None:
        super().__init__(f"{promise}: {story}")
        self.promise = promise


def hold(promise: str, fact: object, story: object) -> None:
    """Raise unless the fact is true."""
    if not fact:
        raise Violation(promise, str(story))


@dataclass
class Ledger:
    """Actions of people and expected effects for one ticket; separate from the state that the rules change."""

    hand_overs: int = 0
    handed_over: int = 0
    stops: int = 0
    stopped: int = 0
    cancelled: bool = False
    approvals: dict[str, set[str]] = field(default_factory=dict)
    """By commit: who approved exactly that."""
    usage: Usage = field(default_factory=Usage)
    replied: dict[str, float] = field(default_factory=dict)
    """When a person without permission got the last reply."""
    newest: float = 0.0
    """The latest time of an event."""
    intents: dict[str, str] = field(default_factory=dict)
    """Each comment that a rule posted, by its idempotency key."""
    refused: set[str] = field(default_factory=set)
    """Kinds of commands that a provider refused."""
    taken_over: set[str] = field(default_factory=set)
    """Branches that were left to a person, with their pull requests."""

    def approve(self, who: str, *shas: str) -> None:
        """A person approved what they saw."""
        for sha in shas:
            self.approvals.setdefault(sha, set()).add(who)

    def note(self, posted: list[Posted]) -> None:
        """Record the comments that a commit has queued."""
        for one in posted:
            if isinstance(one.command, c.PostComment):
                self.intents.setdefault(one.command.once or one.id, one.command.body)


def check_decision(before: Loop, event: Event, decision: Decision, policy: ServicePolicy, ledger: Ledger) -> None:
    """One decision against the promises that need no look outside."""
    after = decision.loop
    story = f"{before.stage.value} --{event.kind}--> {after.stage.value}"
    handed_over = after.generation > before.generation and after.stage is Stage.PREPARING
    ledger.handed_over += handed_over
    ledger.taken_over |= {after.workspace.branch} if after.workspace.taken_over_by else set()
    ledger.stopped += after.stage is Stage.STOPPED and before.stage is not Stage.STOPPED
    hold("work is asked for", ledger.handed_over <= ledger.hand_overs, f"{story}: no hand-over asked for it")
    hold("a stop is asked for", ledger.stopped <= ledger.stops, f"{story}: {after.reason}")
    hold("iterations end", after.attempt.iteration <= policy.iterations(after), f"{story}: {after.attempt.iteration}")
    hold("fixing ends", after.ci.rounds <= after.workflow.ci.rounds, f"{story}: {after.ci.rounds} rounds")
    hold("further attempts end", after.ci.reruns <= after.workflow.ci.reruns, f"{story}: {after.ci.reruns} attempts")
    _check_bill(before, event, decision, story)
    _check_starts(decision, policy, story)
    _check_proofs(before, event, decision, ledger, story)
    _check_words(before, event, decision, story)
    _check_replies(event, decision, ledger, story)


def _check_replies(event: Event, decision: Decision, ledger: Ledger, story: str) -> None:
    """A bot gets no reply, a stranger one in an hour."""
    ledger.newest = max(ledger.newest, event.at)
    author = event.author if isinstance(event, TicketCommented | PullRequestCommented) else None
    if author is None or author.may_steer or not any(isinstance(x, c.PostComment) for x in decision.commands):
        return
    before = ledger.replied.get(author.id, -HOUR)
    hold("strangers get few replies", not author.is_bot and ledger.newest - before >= HOUR, f"{story}: {author.name}")
    ledger.replied[author.id] = event.at


def _check_bill(before: Loop, event: Event, decision: Decision, story: str) -> None:
    bill = event.usage if isinstance(event, RunFinished) else Usage()
    hold("every bill counts once", decision.loop.spend.usage == before.spend.usage.plus(bill), story)
    if not isinstance(event, RunFinished):
        return
    current = (event.run_id, event.generation) == (before.run_id, before.generation) and is_running(before)
    current = current or event.run_id in {before.comments.answering.run_id, before.learning.run_id}
    only_billed = decision.loop == changed(before, usage=decision.loop.spend.usage)
    quiet = only_billed and not decision.commands
    hold("late work is discarded", current or quiet, f"{story}: {event.run_id}")


def _check_starts(decision: Decision, policy: ServicePolicy, story: str) -> None:
    spent = decision.loop.spend.usage.cost_usd >= policy.caps_of(decision.loop).ticket_usd
    starts = [s.spec for s in decision.commands if isinstance(s, c.StartRun | c.DraftLesson)]
    paid = [spec.run_id for spec in starts if spec.role not in FREE]
    hold("the budget holds", not (spent and paid), f"{story}: {paid} after ${decision.loop.spend.usage.cost_usd}")


def _check_proofs(before: Loop, event: Event, decision: Decision, ledger: Ledger, story: str) -> None:
    """A commit leaves with a verdict on itself, and is merged with an approval of itself."""
    for command in decision.commands:
        match command:
            case c.PublishBranch(sha=sha, as_is=False):
                checked = event.result if isinstance(event, RunFinished) else None
                verdict = checked.verdict if isinstance(checked, Checked) else before.candidate.verdict
                carried, upstream = isinstance(event, RunFinished) and event.role == "gate", decision.loop.upstream
                at = upstream.carried_from if carried and upstream.carried_to == sha else sha
                results = verdict.results if verdict and verdict.head_sha == at else ()
                hold("done is proven", results and all(r.result == "pass" for r in results), f"{story}: {sha}")
            case c.MergePullRequest(sha=sha):
                hold("only what was approved is merged", ledger.approvals.get(sha), f"{story}: {sha}")


def _check_words(before: Loop, event: Event, decision: Decision, story: str) -> None:
    """A request for changes is delivered, answered or both, and no comment of Loopline becomes guidance."""
    hold("we do not steer ourselves", all(w.author != "loopline" for w in decision.loop.comments.guidance), story)
    if (
        not isinstance(event, ReviewSubmitted)
        or event.state != "changes_requested"
        or event.number != before.pull_request.number
    ):
        return
    if event.author and event.author.may_steer and before.stage in AT_WORK | OPEN:
        heard = len(decision.loop.comments.guidance) > len(before.comments.guidance) or decision.loop.review.due_at
        hold("people are heard", heard or any(x.kind == "PostComment" for x in decision.commands), story)


def check_heard(decision: Decision, memory: Memory) -> None:
    """Nothing is published before a maker has received all guidance, but for answers to another agent, and for what
    waits for the next run: a person has accepted the work without one."""
    if not any(isinstance(command, c.PublishBranch) and not command.as_is for command in decision.commands):
        return
    runs = [run for run in memory.runs.values() if run.spec.ticket.id == decision.loop.ticket.id]
    read = [one for run in runs if run.spec.role == "maker" for one in (*run.spec.guidance, *run.heard)]
    read += [one for run in runs for one in run.answers]
    unread = [one.text for one in decision.loop.comments.guidance if one not in (*read, *decision.loop.comments.noted)]
    hold("guidance is delivered before done", not unread, unread)


def check_effect(command: c.Command, loop: Loop, host: Host) -> None:
    """An outward effect that is about to happen."""
    story = f"{command.kind} at {loop.stage.value}, generation {loop.generation}"
    match command:
        case c.PublishBranch(as_is=True):
            due = loop.stage is Stage.STOPPED and command.generation == loop.generation
            hold("unverified work leaves only with a person", due, story)
        case c.PublishBranch() | c.OpenPullRequest():
            due = loop.stage is Stage.PUBLISHING and command.generation == loop.generation
            hold("nothing is published after a stop", due, story)
        case c.MoveTicket(column=column):
            back = loop.stage is Stage.STOPPED and column != "needs_human"
            hold("a card dragged away stays there", not back, story)
        case c.DraftLesson(spec=spec):
            hold("nothing starts after a stop", spec.run_id == loop.learning.run_id, story)
        case c.StartRun(spec=spec):
            due = is_running(loop) and spec.run_id == loop.run_id
            due = due or spec.run_id == loop.comments.answering.run_id
            hold("nothing starts after a stop", due, story)
        case c.MergePullRequest(number=number):
            hold("nothing is merged after a stop", loop.stage is Stage.MERGING or host.pulls[number].merged, story)


def check_always(ticket_id: str, memory: Memory, host: Host, board: Board, ledger: Ledger) -> None:
    """Between steps: no run without a loop that waits for it, no second pull request unless a clean-up failed."""
    box = memory.boxes[ticket_id]
    if box.loop is None:
        return
    stopping = {x.run_id for x in memory.list_commands(ticket_id, "inner") if isinstance(x, c.StopRun)}
    wanted = {box.loop.run_id if is_running(box.loop) else "", box.loop.comments.answering.run_id}
    wanted.add(box.loop.learning.run_id)
    for run in memory.list_unfinished():
        name = run.spec.run_id
        if run.spec.ticket.id == ticket_id and name not in wanted:
            hold("no run is forgotten", run.must_stop or name in stopping, f"{name} at {box.loop.stage.value}")
    prefix = f"loopline/{box.loop.identifier.lower()}-"
    own = [p for p in host.pulls.values() if p.branch.startswith(prefix) and p.branch not in ledger.taken_over]
    pulls = [p.number for p in own if p.state == "open"]
    excused = ticket_id in board.removed or "CleanUp" in ledger.refused
    excused = excused or any("took over" in text for text in ledger.intents.values())  # its branch is a person's now
    hold("one pull request", len(pulls) <= 1 or excused, pulls)


def check_rest(ticket_id: str, memory: Memory, host: Host, board: Board, ledger: Ledger, policy: ServicePolicy) -> None:
    """Everything is delivered, performed and answered: nothing is stuck, and the board is current."""
    box = memory.boxes[ticket_id]
    hold("nothing waits at rest", not box.mailbox and not any(box.outbox.values()), box.outbox)
    loop, own = box.loop, [run for run in memory.list_unfinished() if run.spec.ticket.id == ticket_id]
    asked = loop.escalation.run_id if loop and loop.escalation else ""
    running = [run.spec.run_id for run in own if not run.awaits_person or run.spec.run_id != asked]
    hold("every run ends, or waits for an answer", not running, running)
    if loop is None:
        return
    hold("no ticket is stuck", loop.stage in AT_REST, loop.stage.value)
    hold("every bill counts once", loop.spend.usage == ledger.usage, f"{loop.spend.usage} is not {ledger.usage}")
    hold("it survives a restart", LOOP.decode(LOOP.encode(loop)) == loop, loop)
    if ticket_id not in board.removed:
        _check_comments(loop, board, ledger, policy)
        _check_read(loop, box, board)
        _check_column(loop, board, policy.teams["ENG"].columns, ledger)
        _check_pull_request(loop, host, ledger)
        _check_base(loop, host, board, policy)
        _check_threads(loop, host, ledger)


def _check_threads(loop: Loop, host: Host, ledger: Ledger) -> None:
    """Every inline comment of a person who can write has its reply."""
    pull = host.pulls.get(loop.pull_request.number)
    if loop.stage is not Stage.REVIEW or pull is None or pull.state != "open" or "AnswerThread" in ledger.refused:
        return
    for thread in host.threads.get(pull.number, []):
        last = thread.comments[-1]
        hold("every inline comment is answered", thread.resolved or not last.may_write, thread)


def _check_comments(loop: Loop, board: Board, ledger: Ledger, policy: ServicePolicy) -> None:
    """Each comment stands once, and the newest progress comment and the board memory show the present state."""
    mine = [comment for comment in board.comments(loop.ticket.id) if comment.author.is_us]
    ours = {comment.id.removeprefix(f"{loop.ticket.id} "): comment.body for comment in mine}
    progress = {name: ours.pop(name) for name in list(ours) if name.startswith("progress ")}
    hold("every comment once", ours == ledger.intents, ours.items() ^ ledger.intents.items())
    if loop.generation:
        report = report_of(loop, policy)
        hold("the progress is new", progress.get(f"progress {loop.generation}") == report.progress, progress)
        hold("the memory is new", board.memory[loop.ticket.id] == report.metadata, report.metadata)


def _check_read(loop: Loop, box: Box, board: Board) -> None:
    """Every comment since the hand-over had an effect."""
    for comment in board.comments(loop.ticket.id):
        if loop.stage in HEEDED and not comment.author.is_us and parse_time(comment) > loop.started_at:
            hold("every comment is read", f"comment:{comment.id}" in box.known, comment)


def _check_column(loop: Loop, board: Board, columns: dict[Column, str], ledger: Ledger) -> None:
    ticket = board.tickets[loop.ticket.id]
    story = f"{loop.stage.value} in {ticket.column}, moved by {board.mover.get(ticket.id)}"
    hold("a hand-over is seen", ticket.column != columns["agent"] or loop.stage is Stage.IDLE, story)
    if board.mover.get(ticket.id) == "us" and loop.stage in COLUMN_OF and not ledger.cancelled:
        hold("the column agrees", ticket.column == columns[COLUMN_OF[loop.stage]], story)
    left = ticket.column not in columns.values()
    hold("a card dragged away stops", not (left and loop.stage in {Stage.ASKING, Stage.REVIEW}), story)
    if "SetNeedsHuman" not in ledger.refused:
        hold("the label agrees", ("needs-human" in ticket.labels) == (loop.stage is Stage.NEEDS_HUMAN), story)


def _check_base(loop: Loop, host: Host, board: Board, policy: ServicePolicy) -> None:
    """A ticket that the environment blocks has been tried on the newest base commit."""
    left = policy.column_role("ENG", board.tickets[loop.ticket.id].column) in {None, "review", "done"}
    tried = loop.preflight.tried == host.branches[MAIN]
    hold("a new base is tried", tried or left or not awaits_new_base(loop), f"{loop.preflight.tried}: {loop.reason}")


def _check_pull_request(loop: Loop, host: Host, ledger: Ledger) -> None:
    if loop.stage is Stage.REVIEW and host.has_ci and loop.ci.checks and loop.candidate.verdict:
        newest = host.checks[loop.pull_request.pushed_sha][0].conclusion
        is_known = newest == "success" or newest == loop.ci.checks[0].conclusion
        hold("the checks are true", is_known, f"{newest} on {loop.pull_request.pushed_sha}")
    if loop.stage is Stage.REVIEW:
        pull = host.pulls[loop.pull_request.number]
        shown = pull.state == "open" and pull.head_sha == loop.pull_request.pushed_sha
        lost = pull.head_sha and host.conflicts(pull.head_sha, host.branches[MAIN])
        seen = loop.upstream.reported or loop.upstream.updated_at or loop.reason
        hold("a conflict is seen", not lost or seen, pull.head_sha)
        hold("the review is true", shown, f"{pull.state} at {pull.head_sha}, not at {loop.pull_request.pushed_sha}")
    if loop.stage is Stage.DONE and not ledger.cancelled:
        hold("done means merged", host.pulls[loop.pull_request.number].merged, loop.pull_request.number)
