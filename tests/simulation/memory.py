"""The store of the simulation: loops, mailboxes, outboxes, runs, the index of pull requests.

The same promises as `jobs.store.tickets`, `jobs.store.runs` and the scripts of `jobs/runtime/lua/`, without Redis: an
event enters a mailbox once ever, a commit is all or nothing, command ids come from the event's, a run starts once and
reports once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from integrations.agent_events import PersonAsked
from integrations.events import Event, RunFinished, SteeringTaken
from integrations.values import Usage
from jobs.loop.commands import Command, Lane, RunSpec, lane_of
from jobs.loop.comments import Guidance
from jobs.loop.state import Loop
from jobs.store.mailboxes import Posted


@dataclass
class Box:
    """One ticket's memory."""

    loop: Loop | None = None
    mailbox: list[Event] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    outbox: dict[Lane, list[Posted]] = field(default_factory=lambda: {"inner": [], "outer": []})
    retry_at: float = 0.0
    reported: str = ""
    """Digest of the last report that was written to the ticket."""


@dataclass
class Run:
    """One agent run."""

    spec: RunSpec
    must_stop: bool = False
    steering: list[Guidance] = field(default_factory=list)
    heard: list[Guidance] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    report: RunFinished | None = None
    questions: int = 0
    answers: list[Guidance] = field(default_factory=list)
    question: str = ""
    """The open one."""

    @property
    def awaits_person(self) -> bool:
        """Whether only an answer or a stop continues it."""
        return bool(self.question) and not self.must_stop


class Memory:
    """All tickets' memory."""

    def __init__(self) -> None:
        self.boxes: dict[str, Box] = {}
        self.runs: dict[str, Run] = {}
        self.steered: set[str] = set()
        self.index: dict[str, str] = {}
        self.waiting: set[str] = set()
        """Tickets to which the next commit on the base branch is delivered."""

    def watch_base(self, ticket_id: str, repository: str, branch: str) -> None:
        """The next commit on the base branch is an event of the ticket."""
        self.waiting.add(ticket_id)

    def deliver(self, event: Event) -> bool:
        """Into the mailbox, once ever."""
        box = self.boxes[event.ticket_id]
        if event.event_id in box.known:
            return False
        box.known.add(event.event_id)
        box.mailbox.append(event)
        return True

    def commit(self, ticket_id: str, event: Event, loop: Loop | None, commands: Sequence[Command]) -> list[Posted]:
        """The event is decided: new state, commands posted, event gone; `loop` None keeps the state."""
        box = self.boxes[ticket_id]
        assert box.mailbox[0] is event
        posted = [Posted(f"{event.event_id}/{n}", c, lane_of(c), b"") for n, c in enumerate(commands)]
        for one in posted:
            box.outbox[one.lane].append(one)
        box.mailbox.pop(0)
        box.loop = loop or box.loop
        return posted

    def complete_command(self, ticket_id: str, posted: Posted, events: Iterable[Event]) -> None:
        """The command leaves the outbox, what it brought about enters the mailbox."""
        assert self.boxes[ticket_id].outbox[posted.lane].pop(0) is posted
        for event in events:
            self.deliver(event)

    def list_commands(self, ticket_id: str, lane: Lane) -> list[Command]:
        """All commands of an outbox, the head first."""
        return [posted.command for posted in self.boxes[ticket_id].outbox[lane]]

    def start(self, spec: RunSpec) -> None:
        """A second call changes nothing."""
        self.runs.setdefault(spec.run_id, Run(spec))

    def steer(self, run_id: str, guidance: Guidance, command_id: str) -> None:
        """Once per command."""
        if run_id in self.runs and command_id not in self.steered:
            self.steered.add(command_id)
            self.runs[run_id].steering.append(guidance)

    def unsteer(self, run_id: str, comment_id: str) -> None:
        """Only what the run has not read."""
        if run := self.runs.get(run_id):
            run.steering = [one for one in run.steering if one.comment_id != comment_id]

    def ask_to_stop(self, run_id: str) -> None:
        """The run sees it before its next step."""
        if run_id in self.runs:
            self.runs[run_id].must_stop = True

    def ask(self, run: Run, at: float) -> None:
        """The run asks a person, and waits."""
        run.questions += 1
        run.question = f"{run.spec.run_id}/{run.questions}"
        about = {"event_id": f"question:{run.question}", "ticket_id": run.spec.ticket.id, "at": at}
        asked = {"run_id": run.spec.run_id, "generation": run.spec.generation, "request_id": run.question}
        self.deliver(PersonAsked(**about, **asked, question="Up or down?"))  # type: ignore[arg-type]

    def answer(self, run_id: str, request_id: str, guidance: Guidance) -> None:
        """The first answer to the open question stays."""
        run = self.runs.get(run_id)
        if run and run.question == request_id:
            run.question = ""
            run.answers.append(guidance)

    def take_steering(self, run: Run) -> None:
        """The guidance was delivered; an event reports it."""
        ids = tuple(one.comment_id for one in run.steering)
        run.heard += run.steering
        run.steering = []
        event_id = f"{run.spec.run_id}:heard:{len(run.heard)}"
        taken = SteeringTaken(event_id=event_id, ticket_id=run.spec.ticket.id, run_id=run.spec.run_id, comment_ids=ids)
        self.deliver(taken)

    def finish(self, run: Run, report: RunFinished) -> None:
        """The run ends and its ticket knows, together."""
        run.report = report
        self.deliver(report)

    def load(self, ticket_id: str) -> Loop | None:
        """The ticket's loop."""
        return self.boxes[ticket_id].loop

    def list_unfinished(self) -> list[Run]:
        """Runs to advance."""
        return [run for run in self.runs.values() if run.report is None]
