"""Mornings of one repository: slots, sources, a triage and a matcher with a scripted model, tickets on a real board."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.automation_events import AutomationEvent, AutomationRequested
from integrations.events import TicketMoved, TimePassed
from integrations.findings import SourceItem
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.standins.demo.stack import REPOSITORY
from integrations.standins.model.playbook import Answer, Playbook
from integrations.standins.model.request import Call, Request
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve
from jobs.advance_run import advance_run
from jobs.automate import automate
from jobs.inbox.automation_sweep import find_missed
from jobs.loop.automation_state import AUTOMATION_STATE, AutomationState, RunRecord, automations_id
from jobs.runtime import keys
from jobs.store.automations import AutomationStore
from jobs.store.source_items import SourceItems
from tests.jobs.board import Board
from tests.jobs.hands import Hands

MAILBOX = automations_id(REPOSITORY)
DONE = {"text": "NOTES.md names the rule", "command": "grep -q cent NOTES.md"}
DAY = 86_400.0
_numbers = itertools.count(1)


def wording(key: str, title: str, body: str = "It fails on the base branch.", **more: Any) -> dict[str, Any]:
    """A finding as the model submits it."""
    own = {"title": title, "body": body, "severity": "high", "cites": [{"key": key}], "paths": [], "criteria": [DONE]}
    return own | {"runs": []} | more


@dataclass
class Mornings:
    """`findings` are those that the model submits next; `relation` is its judgement about each pair."""

    board: Board
    findings: Sequence[dict[str, Any]] = ()
    relation: str = "different"
    asked: list[Request] = field(default_factory=list)

    def choose(self, request: Request) -> Playbook:
        self.asked.append(request)
        if request.role == "matcher":
            pairs = [line for line in request.section("Pairs").splitlines() if line.strip()]
            judged = [{"pair": n, "relation": self.relation, "reason": "as read"} for n in range(1, len(pairs) + 1)]
            answer = Answer("", (Call("submit_matches", {"pairs": judged}),))
        else:
            answer = Answer("", (Call("submit_findings", {"findings": list(self.findings)}),))
        return Playbook("script", lambda _: True, lambda _: answer)

    def declare(self, text: str, name: str = "ci-triage") -> None:
        """Commit the declaration; the sweep finds it."""
        Hands(self.board).commit("main", f".loopline/automations/{name}.md", text)
        self.board.world.redis.delete(keys.SWEPT)
        find_missed(self.board.world)
        automate(MAILBOX)

    @property
    def state(self) -> AutomationState:
        found = AutomationStore(self.board.world.redis).load(MAILBOX)
        assert found
        return found

    def script_checks(self, *failing: str, log: str = "E   assert 33 == 34") -> None:
        """The checks of the base branch that fail now."""
        checks = [{"name": name, "conclusions": ["failure"], "log": f"{name}: {log}"} for name in failing]
        body = {"repository": REPOSITORY, "checks": checks, "apply": "main"}
        requests.post(f"{self.board.urls['pull_requests']}/_ci", json=body, timeout=10).raise_for_status()

    def pass_slot(self) -> None:
        """The slot of this day is due, and its sources are read."""
        slots = {name: slot - DAY for name, slot in self.state.last_slots.items()}
        earlier = replace(self.state, last_slots=slots)
        self.board.world.redis.set(keys.automations(MAILBOX), AUTOMATION_STATE.encode(earlier))
        self.deliver(TimePassed(event_id=f"due-{next(_numbers)}", ticket_id=MAILBOX))

    def begin(self) -> None:
        """A person starts the automation, which needs no other day, and its sources are read."""
        key = f"run-{next(_numbers)}"
        self.deliver(AutomationRequested(event_id=key, ticket_id=MAILBOX, name="ci-triage", by="Ana"))

    def deliver(self, event: AutomationEvent) -> None:
        assert AutomationStore(self.board.world.redis).deliver(event)
        automate(MAILBOX)

    def items(self) -> list[SourceItem]:
        """Those of the run in progress."""
        (run,) = self.state.runs.values()
        return list(SourceItems(self.board.world.redis).read(run.id))

    def finish(self) -> RunRecord:
        """Advance the agents, and take the automations as far as they go."""
        for _ in range(10):
            runs = [run for run in self.state.runs.values() if run.run_id]
            if not runs:
                return self.state.history[-1]
            for run in runs:
                advance_run(run.run_id)
            automate(MAILBOX)
        raise AssertionError("the run does not end")

    def morning(self, *findings: dict[str, Any]) -> RunRecord:
        """One run in which the model submits these findings."""
        self.findings = findings
        self.begin()
        return self.finish()

    def move(self, identifier: str, column: str) -> None:
        """A person drags the card, and all that follows on the board happens."""
        self.board.ana.drag(identifier, column)
        ticket_id = self.board.ticket_id(identifier)
        event = TicketMoved(event_id=f"drag-{next(_numbers)}", ticket_id=ticket_id, at=self.board.world.now())
        self.board.world.store.deliver(event)
        self.board.drive(identifier)
        automate(MAILBOX)

    def tickets(self) -> list[str]:
        """The identifiers of the findings' tickets, in the order of their filing."""
        return [one.ticket.identifier for one in self.state.findings if one.ticket]


@contextmanager
def mornings_on(board: Board, folder: Path) -> Iterator[Mornings]:
    """The board's world with an agent: a model that answers as the mornings choose, and a sandbox."""
    made = Mornings(board)
    with serve(create_app(folder / "model", choose=made.choose)) as model:
        runner = AnthropicApi("sk-ant-test", model.url)
        board.world._runners = {"anthropic": runner}
        board.world._sandbox = Sandbox(find_bwrap(), default_read_only())
        yield made
        runner.close()
