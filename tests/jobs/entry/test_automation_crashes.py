"""Workers that crash at any step of an automation's run: one run, one ticket, one memory, the exact cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integrations import failpoints
from integrations.automation_events import AutomationRequested
from integrations.events import RunFinished
from integrations.findings import Found, ProposedFinding
from integrations.proposals import ProposedCriterion
from integrations.values import Usage
from jobs.automate import automate
from jobs.runtime import keys
from jobs.runtime.lease import hold
from jobs.store.automations import AutomationStore
from jobs.store.dead_letters import DeadLetters
from jobs.workflow.automations.findings import identify_finding
from tests.jobs.board import Board
from tests.jobs.mornings import MAILBOX, Mornings, mornings_on

SAMPLE = ("commit.lua:done:1", "start_run.lua:done:1", "linear.CreateTicket:done:1", "performed.lua:before:4")
REST = tuple(
    f"{operation}:{phase}:{hit}"
    for operation, hits in {
        "commit.lua": 5, "performed.lua": 4, "start_run.lua": 1, "restore.lua": 1, "linear.CreateTicket": 2,
        "linear.UpsertAttachment": 2, "linear.AddLabel": 1, "linear.CreateLabel": 1, "github.GET.repos": 1,
        "github.GET.commits.check-runs": 1, "git.for-each-ref": 1,
    }.items()
    for hit in range(1, hits + 1)
    for phase in ("before", "done")
    if f"{operation}:{phase}:{hit}" not in SAMPLE
)  # fmt: skip


@pytest.fixture
def mornings(board: Board, tmp_path: Path) -> Iterator[Mornings]:
    with mornings_on(board, tmp_path) as made:
        made.declare("---\nsources: [checks]\n---\nLook.\n")
        made.script_checks("build")
        yield made


def report(mornings: Mornings) -> None:
    """The triage run ends with one finding about the check."""
    (run,) = mornings.state.runs.values()
    items = mornings.items()
    fingerprint, evidence = identify_finding(items)
    one = ProposedFinding(
        title="The build fails", body="See the log.", items=tuple(item.key for item in items),
        criteria=(ProposedCriterion(text="the suite passes", command="true"),),
        fingerprint=fingerprint, evidence=evidence,
    )  # fmt: skip
    event = RunFinished(
        event_id=f"{run.run_id}:finished", ticket_id=MAILBOX, run_id=run.run_id, generation=1, outcome="done",
        result=Found(findings=(one,)), usage=Usage(model_calls=1, cost_usd=0.125),
    )  # fmt: skip
    with hold(mornings.board.world.redis, f"run:{run.run_id}") as lease:
        assert lease
        mornings.board.world.runs.finish(lease, event, heed_guidance=False)


def test_automation_cost_of_a_result_that_cannot_be_read_counts(mornings: Mornings) -> None:
    """It is of a newer release, say: a dead letter, whose usage is exact."""
    board, store = mornings.board, AutomationStore(mornings.board.world.redis)
    mornings.deliver(AutomationRequested(event_id="r1", ticket_id=MAILBOX, name="ci-triage", by="Ana"))
    report(mornings)
    raw = store.next_event(MAILBOX)
    assert raw
    unreadable = json.loads(raw) | {"result": {"kind": "newer"}}
    board.world.redis.lset(keys.mailbox(MAILBOX), 0, json.dumps(unreadable))

    automate(MAILBOX)
    (letter,) = DeadLetters(board.world.redis).all()
    DeadLetters(board.world.redis).redrive(letter)
    automate(MAILBOX)

    (record,) = mornings.state.history
    assert (record.outcome, record.cost_usd) == ("failed", 0.125)
    assert sum(mornings.state.spent["ci-triage"].values()) == 0.125


@pytest.mark.parametrize("point", [*SAMPLE, *(pytest.param(point, marks=pytest.mark.long) for point in REST)])
def test_automation_crash_is_followed_by_one_run_one_ticket_and_one_memory(
    mornings: Mornings, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failpoints, "ARMED", None)  # also at the end of the test
    failpoints.arm(f"{point}:raise", mornings.board.world.settings.home)
    crashes: list[str] = []

    def survive(step: Callable[[], object]) -> None:
        try:
            step()
        except failpoints.FailpointError as error:
            crashes.append(str(error))

    request = AutomationRequested(event_id="r1", ticket_id=MAILBOX, name="ci-triage", by="Ana")
    AutomationStore(mornings.board.world.redis).deliver(request)
    for _ in range(2):
        survive(lambda: automate(MAILBOX))
    report(mornings)
    for _ in range(2):
        survive(lambda: automate(MAILBOX))

    assert crashes == [point.rpartition(":")[0]]
    state = mornings.state
    (record,) = state.history
    assert (state.runs, record.outcome, record.filed, record.cost_usd) == ({}, "filed", 1, 0.125)
    (finding,) = state.findings
    assert finding.ticket and state.memory_ticket
    shown = mornings.board.ana.board()
    filed = [one for one in shown.values() if one["title"] == "The build fails"]
    memories = [one for one in shown.values() if one["identifier"] == state.memory_ticket.identifier]
    assert [one["identifier"] for one in filed] == [finding.ticket.identifier]
    assert len(shown) == 3 + 2 and len(memories) == 1
