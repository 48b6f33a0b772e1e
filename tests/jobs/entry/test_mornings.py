"""Mornings of an automation from its sources to the board, with a real sandbox and a scripted model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.automation_events import AutomationRequested, DeclarationsOutdated
from integrations.events import TicketMoved
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.standins.demo.stack import REPOSITORY
from integrations.standins.model.playbook import Answer, Playbook
from integrations.standins.model.request import Call, Request
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve
from integrations.values import Ticket
from jobs.advance_run import advance_run
from jobs.automate import automate
from jobs.contract.agreement import read_ticket_criteria
from jobs.effects import world as worlds
from jobs.loop.automation_state import AutomationState, RunRecord, automations_id
from jobs.store.automations import AutomationStore
from tests.jobs.board import Board
from tests.jobs.hands import Hands

MAILBOX = automations_id(REPOSITORY)
DECLARED = "---\nsources: [checks, issues]\nlimits: {findings: 5}\n---\nFind the cause of each failure.\n"
DONE = {"text": "NOTES.md names the rule", "command": "grep -q cent NOTES.md"}


@dataclass
class Model:
    """Its findings cite the items of these kinds in the digest, as 'check' or, for the second one, 'issue 1'."""

    findings: Sequence[dict[str, Any]] = ()
    matches: Sequence[dict[str, Any]] = ()
    asked: list[str] = field(default_factory=list)

    def choose(self, request: Request) -> Playbook:
        self.asked.append(request.role)
        call = Call("submit_matches", {"pairs": list(self.matches)})
        if request.role == "triage":
            lines = request.section("Source items").splitlines()
            keys = sorted(line.split("] ")[1].split(": ")[0] for line in lines if line.startswith("- ["))
            call = Call("submit_findings", {"findings": [self._cite(one, keys) for one in self.findings]})
        return Playbook("script", lambda _: True, lambda _: Answer("", (call,)))

    def _cite(self, one: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
        kind, _, place = one["cites"].partition(" ")
        return one | {"cites": [{"key": [key for key in keys if key.startswith(f"{kind}:")][int(place or 0)]}]}


@dataclass(frozen=True)
class Office:
    """The board with an agent process, and what an automation does there on a morning."""

    board: Board
    model: Model

    def wake(self, number: int, *findings: dict[str, Any], matches: Sequence[dict[str, Any]] = ()) -> RunRecord:
        """Run the automation; the model submits these findings. Returns its line in the history."""
        self.model.findings, self.model.matches = findings, matches
        world = self.board.world
        AutomationStore(world.redis).deliver(
            AutomationRequested(event_id=f"morning-{number}", ticket_id=MAILBOX, name="ci-triage")
        )
        automate(MAILBOX)
        while unfinished := world.runs.list_unfinished():
            for run_id in unfinished:
                advance_run(run_id)
            automate(MAILBOX)
        return self.state().history[-1]

    def state(self) -> AutomationState:
        found = AutomationStore(self.board.world.redis).load(MAILBOX)
        assert found
        return found

    def break_ci(self, log: str) -> None:
        checks = [{"name": "build", "conclusions": ["failure"], "log": log}]
        body = {"repository": REPOSITORY, "checks": checks, "apply": "main"}
        requests.post(f"{self.board.urls['pull_requests']}/_ci", json=body, timeout=10).raise_for_status()

    def report_issue(self, title: str) -> None:
        body = {"repository": REPOSITORY, "issues": [{"title": title}]}
        requests.post(f"{self.board.urls['pull_requests']}/_sources", json=body, timeout=10).raise_for_status()

    def filed(self) -> list[Ticket]:
        """The tickets of the known findings."""
        return [self.board.world.tracker.fetch(one.ticket.id) for one in self.state().findings if one.ticket]

    def cancel(self, ticket: Ticket) -> None:
        self.board.ana.drag(ticket.identifier, "Canceled")
        self.board.world.store.deliver(TicketMoved(event_id=f"cancel-{ticket.id}", ticket_id=ticket.id))
        self.board.drive(ticket.identifier)
        automate(MAILBOX)


@pytest.fixture
def office(board: Board, tmp_path: Path) -> Iterator[Office]:
    model = Model()
    with serve(create_app(tmp_path / "model", choose=model.choose)) as served:
        runner = AnthropicApi("sk-ant-test", served.url)
        sandbox = Sandbox(find_bwrap(), default_read_only())
        board.world = replace(board.world, _runners={"anthropic": runner}, _sandbox=sandbox)
        worlds.install(board.world)
        Hands(board).commit("main", ".loopline/automations/ci-triage.md", DECLARED)
        AutomationStore(board.world.redis).deliver(DeclarationsOutdated(event_id="declared", ticket_id=MAILBOX))
        automate(MAILBOX)
        yield Office(board, model)
        runner.close()


def finding(cites: str, title: str = "The split loses a cent", **changes: Any) -> dict[str, Any]:
    return {
        "title": title,
        "body": f"{title}. It began last week.",
        "severity": "high",
        "cites": cites,
        "criteria": [DONE],
        "runs": [{"command": "ls README.md", "exit_code": 0}],
    } | changes


def test_mornings_with_the_same_failure_file_one_ticket_until_its_evidence_changes(office: Office) -> None:
    office.break_ci("E   AssertionError: 33 != 34")
    first = office.wake(1, finding("check"))
    office.break_ci("E   AssertionError: 33 != 34")
    second = office.wake(2, finding("check", title="Cents vanish when a bill is divided", severity="normal"))

    assert [(one.filed, one.duplicates) for one in (first, second)] == [(1, 0), (0, 1)]
    (ticket,) = office.filed()
    assert ticket.title == "The split loses a cent" and read_ticket_criteria(ticket.description).is_complete
    assert first.cost_usd > 0 and sum(one.cost_usd for one in office.state().history) == pytest.approx(
        sum(office.state().spent["ci-triage"].values()), abs=1e-9
    )

    office.cancel(ticket)
    office.break_ci("E   AssertionError: 33 != 34")
    third = office.wake(3, finding("check", title="The build is red"))
    assert (third.filed, third.rejected) == (0, 1)

    office.board.world.redis.flushdb()
    AutomationStore(office.board.world.redis).deliver(DeclarationsOutdated(event_id="again", ticket_id=MAILBOX))
    automate(MAILBOX)
    office.break_ci("E   AssertionError: 33 != 34")
    fourth = office.wake(4, finding("check", title="Something is wrong with the build"))
    assert (fourth.filed, fourth.rejected) == (0, 1)

    office.break_ci("E   TypeError: unsupported operand")
    fifth = office.wake(5, finding("check", title="The build fails with a TypeError"))
    assert fifth.filed == 1 and len(office.filed()) == 1
    assert f"This was rejected in {ticket.identifier}." in office.filed()[0].description


def test_morning_with_three_findings_files_two_tickets_when_the_matcher_sees_a_duplicate(office: Office) -> None:
    office.break_ci("E   AssertionError: 33 != 34")
    office.report_issue("The split of a bill loses a cent")
    office.report_issue("Please support euros")
    same = {"pair": 1, "relation": "same", "reason": "both are about the lost cent"}

    record = office.wake(
        1,
        finding("check"),
        finding("issue", title="The split of a bill loses a cent"),
        finding("issue 1", title="Euros are not supported", severity="low"),
        matches=[same],
    )

    assert (record.found, record.duplicates, record.filed) == (3, 1, 2)
    assert [one.title for one in office.filed()] == ["The split loses a cent", "Euros are not supported"]
    assert office.model.asked == ["triage", "matcher"]
    assert office.state().memory_ticket


def test_morning_without_findings_leaves_no_trace_but_a_line_in_the_history(office: Office) -> None:
    office.break_ci("E   AssertionError: 33 != 34")
    before = set(office.board.ana.board())

    record = office.wake(1)

    assert (record.outcome, record.found, set(office.board.ana.board())) == ("nothing", 0, before)
