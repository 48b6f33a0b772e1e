"""The automations of one repository under kills, jumps of the clock, duplicates and people; one seed is one story.

The rules are the real ones. Events arrive several times, a worker dies between effect and commit, the clock goes back
and forth. The promises are checked after each decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

from integrations.automation_events import (
    AutomationEvent,
    AutomationRequested,
    AutomationsDeclared,
    FindingDecided,
    FindingFiled,
    MemoryWritten,
    SourcesRead,
)
from integrations.events import RunFinished, TimePassed
from integrations.findings import Found, Match, Matched, ProposedFinding, SourceItem
from integrations.values import CommitSha, Identifier, TicketId, TicketRef, Usage
from jobs.loop.automation import AUTOMATION, Automation, AutomationLimits, Schedule, SourceSpec
from jobs.loop.automation_commands import AutomationCommand, FileFinding, NoteFinding, ReadSources, WriteMemory
from jobs.loop.automation_state import AUTOMATION_STATE, AutomationState
from jobs.loop.commands import RunSpec, StartRun
from jobs.loop.derived_ids import finding_ticket_id
from jobs.workflow.automations import AutomationDecision, decide
from jobs.workflow.automations.findings import find_resembling, identify_finding
from jobs.workflow.decision import ServicePolicy, TeamPolicy
from tests.simulation.checks import Violation

SHOP, BASE, DAY = "acme/shop", CommitSha("b" * 40), 86_400.0
POLICY = ServicePolicy(teams={"ENG": TeamPolicy(repository=SHOP, columns={})}, models={"scout": "s", "judge": "j"})
TERMS = ["build", "is", "broken", "red", "since", "yesterday", "the", "split", "fails", "again", "cents"]
CHECKS = ("check:build", "check:lint", "flaky:split")
Decide = Callable[[AutomationState, AutomationEvent, ServicePolicy], AutomationDecision]


@dataclass
class Board:
    """Tickets by id with the item that they are about and its signature, and what people did to them."""

    about: dict[str, tuple[str, str]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    def create(self, ticket_id: str, key: str, signature: str) -> None:
        """File a ticket, once."""
        if ticket_id in self.about:
            return
        for other, (named, signed) in self.about.items():
            if named == key and self.status[other] in {"open", "accepted"}:
                raise Violation("one open ticket for each failure", f"{other} and {ticket_id} are about {key}")
            if (named, signed) == (key, signature) and self.status[other] == "rejected":
                raise Violation("a rejected finding does not come back", f"{ticket_id} is {other} again")
        self.about[ticket_id], self.status[ticket_id] = (key, signature), "open"


class Story:
    """One seed. `now` is the true time, `skew` the error of the worker's clock."""

    def __init__(self, seed: int, rule: Decide = decide) -> None:
        self.random, self.rule = Random(seed), rule
        self.now, self.skew, self.number = 1_795_766_400.0, 0.0, 0
        self.state = AutomationState(repository=SHOP, team="ENG")
        self.mailbox: list[AutomationEvent] = []
        self.outbox: list[AutomationCommand] = []
        self.known: set[str] = set()
        self.agents: dict[str, RunSpec] = {}
        self.board, self.paid = Board(), 0.0
        self.started: list[str] = []
        self.signatures = dict.fromkeys(CHECKS, "s0")
        most, day_usd = self.random.randint(1, 3), self.random.choice([1.5, 9.0])
        limits = AutomationLimits(findings=most, run_usd=1.0, day_usd=day_usd)
        cron = self.random.choice(["0 9 * * *", "*/30 * * * *", "0 9 * * mon-fri"])
        first = Automation(
            name="one", schedule=Schedule(cron=cron, timezone="Europe/Berlin"), on=("ci_red",), limits=limits,
            sources=(SourceSpec(kind="checks"),),
        )  # fmt: skip
        self.automations = [first, replace(first, name="two", schedule=Schedule(cron="15 * * * *"))]

    def run(self, steps: int = 150) -> None:
        """Play; then let all that has begun end."""
        self.declare()
        acts = (self.work, self.work, self.work, self.pass_time, self.advance_agent, self.advance_agent, self.live)
        for _ in range(steps):
            self.random.choice(acts)()
        self.skew = 0.0
        for _ in range(200):
            self.work()
            self.advance_agent()
        if self.mailbox or self.outbox or self.agents or self.state.runs:
            raise Violation("every run ends", f"{[run.id for run in self.state.runs.values()]}")

    def work(self) -> None:
        """One step of a worker, which can die after the effect."""
        if self.outbox:
            self.perform(self.outbox[0])
            if self.random.random() < 0.2:
                return
            self.outbox.pop(0)
        elif self.mailbox:
            self.settle(self.mailbox.pop(0))

    def settle(self, event: AutomationEvent) -> None:
        decision = self.rule(self.state, replace(event, at=self.now + self.skew), POLICY)
        self.state = AUTOMATION_STATE.decode(AUTOMATION_STATE.encode(decision.state))
        self.outbox += decision.commands
        new = [command.run for command in decision.commands if isinstance(command, ReadSources)]
        if repeated := set(new) & set(self.started):
            raise Violation("one run for each slot", f"{repeated}")
        self.started += new
        self.check_money()

    def check_money(self) -> None:
        ended = sum(record.cost_usd for record in self.state.history)
        running = sum(run.usage.cost_usd for run in self.state.runs.values())
        spent = sum(usd for days in self.state.spent.values() for usd in days.values())
        if len(self.state.history) < 200 and not abs(ended + running - spent) < 1e-6:
            raise Violation("costs are exact", f"{ended} + {running} is not {spent}")
        for one in self.state.automations:
            most = max(self.state.spent.get(one.name, {}).values(), default=0.0)
            if most > one.limits.day_usd + one.limits.run_usd:
                raise Violation("the day's budget holds", f"{one.name}: {most}")

    def perform(self, command: AutomationCommand) -> None:
        """The effect and its events, whose ids are the same at every retry."""
        ref: dict[str, Any] = {"ticket_id": self.state.id, "at": self.now}
        match command:
            case ReadSources():
                name, items = f"{command.run}/read", len(self.failing())
                self.deliver(SourcesRead(event_id=name, run=command.run, items=items, base_sha=BASE, **ref))
            case StartRun():
                if f"{command.spec.run_id}/end" not in self.known:
                    self.agents[command.spec.run_id] = command.spec
            case FileFinding():
                one = command.finding
                ticket_id = finding_ticket_id(SHOP, one.fingerprint, command.reopened)
                (key, signature) = one.items[0].split("@")[0], one.links[0]
                self.board.create(ticket_id, key, signature)
                ticket = TicketRef(id=ticket_id, identifier=Identifier("ENG-1"))
                name = f"{command.run}/{one.fingerprint}/{command.reopened}"
                about = {"run": command.run, "fingerprint": one.fingerprint, "ticket": ticket}
                self.deliver(FindingFiled(event_id=name, **about, **ref))
            case WriteMemory():
                memory = TicketRef(id=TicketId("m"), identifier=Identifier("ENG-9"))
                self.deliver(MemoryWritten(event_id=f"memory/{self.count()}", run=command.run, ticket=memory, **ref))
            case NoteFinding():
                pass

    def advance_agent(self) -> None:
        """An agent ends, in some way, for some of its money."""
        if not self.agents:
            return
        run_id = self.random.choice(sorted(self.agents))
        spec = self.agents.pop(run_id)
        assert spec.triage
        outcome = self.random.choices(["done", "budget", "failed"], [8, 1, 1])[0]
        failing = self.failing()
        findings = tuple(map(self.word, self.random.sample(failing, self.random.randint(0, len(failing)))))
        pairs = find_resembling(spec.triage.found, spec.triage.known) if spec.role == "matcher" else ()
        same = [pair for pair in pairs if _place(pair.fingerprint, spec) == _place(pair.known, spec)]
        matches = tuple(Match(fingerprint=pair.fingerprint, known=pair.known) for pair in same)
        result = Found(findings=findings) if spec.role == "triage" else Matched(matches=matches)
        usd = round(min(self.random.random(), spec.caps.run_usd), 6)
        end: dict[str, Any] = {"run_id": run_id, "generation": 1, "outcome": outcome, "usage": Usage(cost_usd=usd)}
        place: dict[str, Any] = {"event_id": f"{run_id}/end", "ticket_id": self.state.id, "at": self.now}
        self.deliver(RunFinished(**place, result=result, **end))

    def failing(self) -> list[str]:
        return [key for key in CHECKS if self.signatures[key]]

    def word(self, key: str) -> ProposedFinding:
        """The finding about this failure, in other words each time."""
        item = SourceItem(key=key, kind="check", title=key, signature=self.signatures[key])
        fingerprint, evidence = identify_finding([item])
        title = " ".join(self.random.sample(TERMS, 5))
        return ProposedFinding(
            title=title, body=title, items=(key,), links=(self.signatures[key],), fingerprint=fingerprint,
            evidence=evidence, severity=self.random.choice(("urgent", "high", "normal", "low")),
        )  # fmt: skip

    def pass_time(self) -> None:
        """Time passes or the clock jumps; the deadline is delivered, perhaps twice."""
        self.now += self.random.choice([60, 1_800, 3_600, 30_000, DAY, 3 * DAY])
        if self.random.random() < 0.3:
            self.skew = self.random.choice([0.0, -3_600.0, -1.5 * DAY, 3_600.0, 2 * DAY])
        due = self.state.due_at
        if 0 < due <= self.now + self.skew:
            self.deliver(TimePassed(event_id=f"due:{due}:{self.count()}", ticket_id=self.state.id, due=due))

    def live(self) -> None:
        """People and the code host do something."""
        match self.random.randint(0, 5):
            case 0:
                self.declare()
            case 1:
                name, key = self.random.choice(["one", "two", "none"]), f"ask-{self.count()}"
                self.deliver(AutomationRequested(event_id=key, ticket_id=self.state.id, name=name, by="Ana"))
            case 2:
                event = AutomationRequested(event_id=f"red-{self.count()}", ticket_id=self.state.id, trigger="ci_red")
                self.deliver(event)
                self.deliver(event)
            case 3:
                key = self.random.choice(CHECKS)
                self.signatures[key] = self.random.choice(["", "s0", f"s{self.count()}"])
            case _ if self.board.status:
                self.decide_ticket(self.random.choice(sorted(self.board.status)))

    def decide_ticket(self, ticket_id: str) -> None:
        known = [one for one in self.state.findings if one.ticket and one.ticket.id == ticket_id]
        if self.board.status[ticket_id] != "open" or not known or not known[0].ticket:
            return
        status: Literal["accepted", "rejected"] = self.random.choice(("accepted", "rejected"))
        self.board.status[ticket_id] = status
        name = f"decided-{self.count()}"
        while self.outbox or self.mailbox:  # the run in progress does not know it yet
            self.work()
        self.deliver(FindingDecided(event_id=name, ticket_id=self.state.id, ticket=known[0].ticket, status=status))
        while self.mailbox or self.outbox:
            self.work()

    def declare(self) -> None:
        chosen = self.automations if self.random.random() < 0.9 else self.automations[:1]
        plain = tuple(AUTOMATION.to_builtins(one) for one in chosen)
        place: dict[str, Any] = {"repository": SHOP, "team": "ENG", "base_branch": "main", "base_sha": BASE}
        name = f"declared-{self.count()}"
        self.deliver(AutomationsDeclared(event_id=name, ticket_id=self.state.id, automations=plain, **place))

    def deliver(self, event: AutomationEvent) -> None:
        if event.event_id not in self.known:
            self.known.add(event.event_id)
            self.mailbox.append(event)

    def count(self) -> int:
        self.number += 1
        return self.number


def _place(fingerprint: str, spec: RunSpec) -> str:
    """The first item of the finding with this fingerprint."""
    assert spec.triage
    every = [*spec.triage.found, *spec.triage.known]
    return next((one.items[0] for one in every if one.fingerprint == fingerprint and one.items), fingerprint)
