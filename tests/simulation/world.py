"""One seed, one story: two tickets, people, agents, providers and crashes, in an order that the seed draws.

Called by the tests and by `python -m tests.simulation`. Virtual time, no Redis, no network, no sleep; the rules
come as arguments. After the storm everything comes to rest and is looked at; then people finish what is left, which
must work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from integrations.events import (
    BranchPushed,
    ChecksReported,
    Event,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestMerged,
    PullRequestReopened,
    ReviewSubmitted,
    TicketCommented,
    TicketEdited,
    TicketMoved,
    TimePassed,
)
from integrations.values import Ticket
from jobs.loop.caps import Caps
from jobs.loop.commands import MoveTicket
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.recovery.polling import comment_events, pull_request_event, review_events
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.decision import TeamPolicy, is_still_wanted
from jobs.workflow.hand_over import awaits_own_move, has_left_loop, is_idle_or_closed
from jobs.workflow.preflight import awaits_new_base
from tests.simulation.agents import Agents
from tests.simulation.checks import HEEDED, Ledger, Violation, check_always, check_rest, hold
from tests.simulation.memory import Box, Memory
from tests.simulation.outside import MAIN, REPOSITORY, Board, Host
from tests.simulation.people import COMPLETE, FINISH_LINE, People
from tests.simulation.worker import Chances, Decide, StillWanted, Worker

COLUMNS = {
    "agent": "Agent",
    "working": "In Progress",
    "review": "In Review",
    "done": "Done",
    "needs_human": "Needs Human",
}
FROM_CODE_HOST = (
    BranchPushed, PullRequestClosed, PullRequestCommented, PullRequestMerged, PullRequestReopened, ReviewSubmitted,
    ChecksReported,
)  # fmt: skip
AGAIN = (TicketMoved, TicketEdited, BranchPushed, PullRequestMerged, PullRequestClosed, PullRequestReopened)
"""Hints whose facts are read again, so that a copy under another id must change nothing."""
MISFORTUNES = ("crash", "drop", "copy", "late", "outage", "refusal", "lost reply", "sweep", "push")


class World:
    """Everything, for one seed."""

    def __init__(
        self, seed: int, decide: Decide = decide, is_still_wanted: StillWanted = is_still_wanted, tickets: int = 2
    ) -> None:
        self.random = Random(seed)
        self.time = 1_000.0
        self.schedule: list[str] = []
        self.hints: list[Event] = []
        self.late: list[Event] = []
        self.memory = Memory()
        self.ledgers: dict[str, Ledger] = {}
        self.board = Board(self.now, self.hints)
        self.host = Host(self.now, self.hints)
        self.under_way: dict[str, Iterator[str]] = {}
        self.misfortunes = {name for name in MISFORTUNES if self.random.random() < 0.5}
        self.policy = ServicePolicy(
            teams={"ENG": TeamPolicy(repository=REPOSITORY, columns=COLUMNS)},
            max_iterations=self.random.choice((1, 2, 3)),
            caps=Caps(ticket_usd=self.random.choice((4.0, 20.0))),
        )
        self._people(decide, is_still_wanted)
        self.is_red = seed % 4 == 1
        if seed % 2:  # without a draw, so that the stories of the other seeds do not depend on it
            self.host.has_ci = True
            self.host.start_check("root")
            self.host.end_check("root", "success")
        for n in range(1, tickets + 1):
            self._ticket(n)

    def _people(self, decide: Decide, is_still_wanted: StillWanted) -> None:
        checks = (Check(name="tests", run="pytest -q"),) if self.random.random() < 0.5 else ()
        repository = RepositoryPolicy(loop=LoopPolicy(checks=checks))
        chances = Chances(*(0.03 if name in self.misfortunes else 0.0 for name in ("refusal", "lost reply")))
        given = (self.memory, self.board, self.host, self.policy)
        self.worker = Worker(*given, repository, self.ledgers, decide, is_still_wanted, self.random, chances, self.now)
        pace, helpful = self.random.choice((4, 8, 16)), self.random.choice((0.3, 0.5, 0.7))
        self.people = People(*given, self.ledgers, self.random, pace, helpful, "push" in self.misfortunes)
        self.agents = Agents(self.memory, self.host, self.ledgers, self.random, self.now)

    def _ticket(self, n: int) -> None:
        words = self.random.choice(("make it better", FINISH_LINE, COMPLETE))
        ticket = Ticket(
            id=f"t{n}", identifier=f"ENG-{n}", title=f"Limit {n}", description=words, team="ENG", column="Backlog"
        )
        self.board.tickets[ticket.id] = ticket
        self.memory.boxes[ticket.id] = Box()
        self.ledgers[ticket.id] = Ledger()

    def now(self) -> float:
        """Virtual Unix seconds."""
        return self.time

    def loop(self, t: str) -> Loop | None:
        """What is remembered of a ticket."""
        return self.memory.boxes[t].loop

    # --- the storm --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The whole story. Raises `Violation`."""
        for _ in range(self.random.randint(100, 1400)):
            self._note(self._something())
        self.rest()
        self.finish()

    def _note(self, what: str) -> None:
        self.time += self.random.choice((0.1, 1.0, 5.0))
        if what:
            self.schedule.append(f"{self.time:8.1f} {what}")
            for t in self.memory.boxes:
                check_always(t, self.memory, self.host, self.board, self.ledgers[t])

    def _something(self) -> str:
        t = self.random.choice(list(self.memory.boxes))
        acts: dict[Callable[[], str], int] = {
            lambda: self._work(t): 40,
            lambda: self._work_on(t): 10,
            self._deliver: 20,
            self._advance: 15,
            self._advance_ci: 5 * self.host.has_ci,
            lambda: self._act(t): self.people.pace,
            lambda: self._crash(t): 3 * ("crash" in self.misfortunes),
            self._outage: 3 * ("outage" in self.misfortunes),
            self.sweep: 2 * ("sweep" in self.misfortunes),
            self._release: "late" in self.misfortunes,
            self._pass_time: 5,
        }
        (act,) = self.random.choices(list(acts), list(acts.values()))
        return act()

    def _work(self, t: str) -> str:
        if t not in self.under_way:
            self.under_way[t] = self.worker.step(t)
        did = next(self.under_way[t], "")
        if not did:
            del self.under_way[t]
            check_always(t, self.memory, self.host, self.board, self.ledgers[t])
        return did

    def _work_on(self, t: str) -> str:
        """Most of the time a worker is not interrupted."""
        for _ in range(self.random.randint(2, 30)):
            self._note(self._work(t))
        return ""

    def _act(self, t: str) -> str:
        """An outage is one of the providers' interfaces for programs; people go on."""
        away, self.board.away, self.host.away = (self.board.away, self.host.away), False, False
        did = self.people.act(t)
        self.board.away, self.host.away = away
        return did

    def _crash(self, t: str) -> str:
        return f"the worker of {t} dies" if self.under_way.pop(t, None) else ""

    def _outage(self) -> str:
        provider = self.random.choice((self.board, self.host))
        provider.away = not provider.away
        return f"{type(provider).__name__} is {'away' if provider.away else 'back'}"

    def _advance(self) -> str:
        runs = self.memory.list_unfinished()
        return self.agents.advance(self.random.choice(runs)) if runs else ""

    def _advance_ci(self) -> str:
        """A check ends."""
        pending = self.host.list_pending()
        if not pending:
            return ""
        sha, is_red = self.random.choice(pending), self.is_red and self.random.random() < 0.5
        self.host.end_check(sha, self.random.choice(("failure", "timed_out", "cancelled")) if is_red else "success")
        return f"the check of {sha} ends"

    def _pass_time(self) -> str:
        """As the clock: the deadlines that have passed. `gather` reads the facts."""
        due = [loop for loop in self._with_deadline() if loop.due_at <= self.time]
        passed = [loop for loop in due if self.memory.deliver(self._due_event(loop))]
        return f"deadlines of {[loop.identifier for loop in passed]}" if passed else ""

    def _with_deadline(self) -> list[Loop]:
        loops = [loop for t in self.memory.boxes if t not in self.board.removed and (loop := self.loop(t))]
        return [loop for loop in loops if loop.due_at]

    def _due_event(self, loop: Loop) -> TimePassed:
        t, at = loop.ticket.id, loop.due_at
        away, self.host.away = self.host.away, False
        number = loop.pull_request.number
        facts = self.host.fetch_facts(REPOSITORY, number) if number else None
        self.host.away = away
        return TimePassed(event_id=f"due:{t}:{at}", ticket_id=t, at=self.time, due=at, facts=facts)

    # --- hints and the sweep ----------------------------------------------------------------------------------------

    def _deliver(self) -> str:
        """Any hint that is on its way: late, early, lost, or twice."""
        if not self.hints:
            return ""
        event = self.hints.pop(self.random.randrange(len(self.hints)))
        if "late" in self.misfortunes and self.random.random() < 0.2:
            self.late.append(event)
            return f"{event.event_id} takes its time"
        if isinstance(event, BranchPushed) and event.branch == MAIN and not event.ticket_id:
            return self._deliver_to_waiting(event)
        t = self._ticket_of(event)
        if not t:
            return f"{event.event_id} matches no ticket"
        event = replace(event, ticket_id=t)
        if "drop" in self.misfortunes and self._repaired(event) and self.random.random() < 0.3:
            return f"{event.event_id} is lost"
        if "copy" in self.misfortunes and self.random.random() < 0.2:
            renamed = isinstance(event, AGAIN) and self.random.random() < 0.5
            self.hints.append(replace(event, event_id=f"{event.event_id}'") if renamed else event)
        return f"{event.event_id} arrives at {t}" if self.memory.deliver(event) else f"{event.event_id} is known"

    def _deliver_to_waiting(self, event: BranchPushed) -> str:
        """A commit on the base branch, to every ticket that was prepared on it since the last one."""
        waiting = sorted(self.memory.waiting)
        for t in waiting:
            self.memory.deliver(replace(event, ticket_id=t))
        self.memory.waiting.clear()
        return f"{event.event_id} arrives at {waiting}"

    def _release(self) -> str:
        """A sender retries failed deliveries for an hour."""
        self.hints += self.late
        self.late.clear()
        return ""

    def _repaired(self, event: Event) -> bool:
        """Whether the sweep finds the change of this hint."""
        loop = self.loop(event.ticket_id)
        on_code_host = isinstance(event, PullRequestMerged | PullRequestClosed | BranchPushed)
        is_waiting = loop is not None and loop.stage is Stage.CI
        return (
            isinstance(event, TicketMoved | TicketCommented)
            or (is_waiting and isinstance(event, ChecksReported))
            or (on_code_host and loop is not None and self._is_looked_up(loop))
        )

    def _ticket_of(self, event: Event) -> str:
        if not isinstance(event, FROM_CODE_HOST):
            return event.ticket_id
        names = (f"#{event.number}", event.branch, event.head_sha)
        return next((self.memory.index[name] for name in names if name in self.memory.index), "")

    def sweep(self) -> str:
        """As `jobs.sweep`: compare, and deliver what was missed."""
        if self.board.away or self.host.away:
            return "the sweep cannot look"
        found = [event for t in self.memory.boxes for event in self._missed(t) if self.memory.deliver(event)]
        return f"the sweep finds {[event.event_id for event in found]}" if found else ""

    def _missed(self, t: str) -> Iterator[Event]:
        loop, gone = self.loop(t), t in self.board.removed
        if self._misplaced(self.board.tickets[t], loop, gone):
            yield TicketMoved(event_id=f"sweep:moved:{t}:{self.time // 60}", ticket_id=t, at=self.time)
        if loop is None:
            return
        if loop.stage in HEEDED and not gone:
            yield from comment_events(loop, self.board.comments(t))
        head = self.host.branches[MAIN]
        known = loop.workspace.base_sha if loop.stage in OPEN else loop.preflight.tried
        if (awaits_new_base(loop) or loop.stage in OPEN) and not gone and head != known:
            name = f"sweep:base:{t}:{loop.generation}:{loop.preflight.restarts}:{head}"
            place = {"repository": REPOSITORY, "branch": MAIN, "head_sha": head}
            yield BranchPushed(**{"event_id": name, "ticket_id": t, "at": self.time, **place})
        if loop.pull_request.number and loop.stage in OPEN | AT_WORK:
            yield from self._missed_on_code_host(loop)

    def _misplaced(self, ticket: Ticket, loop: Loop | None, gone: bool) -> bool:
        """Whether the ticket waits in the agent column, or has left the loop."""
        role = None if gone else self.policy.column_role("ENG", ticket.column)
        moving = any(isinstance(command, MoveTicket) for command in self.memory.list_commands(ticket.id, "outer"))
        if loop is None:
            return role == "agent"
        found = is_idle_or_closed(loop) if role == "agent" else has_left_loop(loop, role)
        return found and not awaits_own_move(loop, ticket, role, moving=moving and not gone)

    def _is_looked_up(self, loop: Loop) -> bool:
        """Whether the sweep reads this loop's pull request, and reports a change."""
        asked = bool(loop.pull_request.number) and loop.stage in OPEN | AT_WORK
        return asked and pull_request_event(loop, self.host.pulls[loop.pull_request.number]) is not None

    def _missed_on_code_host(self, loop: Loop) -> Iterator[Event]:
        pull = self.host.pulls[loop.pull_request.number]
        kind = pull_request_event(loop, pull)
        if kind:
            name = f"sweep:{kind.__name__}:{loop.pull_request.number}:{pull.head_sha}:{self.time // 60}"
            place = {
                "repository": REPOSITORY,
                "number": loop.pull_request.number,
                "branch": loop.workspace.branch,
                "head_sha": pull.head_sha,
            }
            yield kind(**{"event_id": name, "ticket_id": loop.ticket.id, "at": self.time, **place})
        if loop.stage in OPEN:
            yield from review_events(loop, self.host.given.get(loop.pull_request.number, []), self.time)

    # --- rest -------------------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Providers are back, hints arrive, runs end, until nothing is left to do; then look."""
        self.board.away = self.host.away = False
        self._release()
        self.misfortunes -= {"late"}
        self.worker.chances = Chances()
        for _ in range(400):
            if not self._calm_round():
                break
        else:
            raise Violation("it comes to rest", self.schedule[-1])
        for t in self.memory.boxes:
            check_rest(t, self.memory, self.host, self.board, self.ledgers[t], self.policy)

    def _calm_round(self) -> bool:
        busy = False
        while self.hints:
            self._note(self._deliver())
            busy = True
        for t in self.memory.boxes:
            while t in self.under_way or not self.worker.idle(t):
                self._note(self._work(t))
                busy = True
        for run in self.memory.list_unfinished():
            advanced = self.agents.advance(run)
            self._note(advanced)
            busy = busy or bool(advanced)
        self.time += 30
        while self.host.list_pending():
            self._note(self._advance_ci())
            busy = True
        if not busy and (deadlines := [loop.due_at for loop in self._with_deadline()]):
            self.time = max(self.time, min(deadlines))
            busy = True
        self._note(self._pass_time())
        swept = "" if busy else self.sweep()
        self._note(swept)
        waiting = any(any(box.outbox.values()) for box in self.memory.boxes.values())
        return busy or bool(swept) or waiting

    def finish(self) -> None:
        """Without further faults a person's next actions must get every ticket to its end."""
        self.agents.calm = True
        for t in self.memory.boxes:
            actions = 8
            while (loop := self.loop(t)) and self._can_go_on(loop):
                actions -= 1
                hold("a person can go on", actions, f"{t} is {loop.stage.value}: {loop.reason}")
                self._note(self.people.help(t, loop))
                self.rest()

    def _can_go_on(self, loop: Loop) -> bool:
        spent = loop.spend.usage.cost_usd >= self.policy.caps_of(loop).ticket_usd
        return loop.ticket.id not in self.board.removed and loop.stage is not Stage.DONE and not spent
