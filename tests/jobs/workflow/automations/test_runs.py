"""Progress of one run: nothing found costs nothing, costs are exact, findings are filed once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.automation_events import SourcesRead
from integrations.events import CommandFailed, RunFinished, RunParked
from integrations.findings import Found, Match
from integrations.values import RunId, Usage
from jobs.loop.automation_commands import FileFinding
from jobs.loop.automation_state import AutomationState
from jobs.loop.commands import StartRun
from jobs.workflow.automations import AutomationDecision, decide
from jobs.workflow.automations.decision import FAILURES_REPORTED
from jobs.workflow.automations.findings import find_resembling
from tests.jobs.workflow.automations.values import (
    DAILY,
    POLICY,
    asked,
    at,
    begin,
    declared,
    fields,
    filed,
    finding,
    found,
    kinds,
    matched,
    passed,
    read,
    step,
    ticket,
    with_limits,
)

NINE = at("2026-11-23 08:00")


def triage(state: AutomationState, now: float = NINE) -> AutomationDecision:
    """The run up to the start of its triage."""
    state = decide(state, passed(now), POLICY).state
    return step(state, read(state, now + 1))


def failed(command: str, run: str, now: float = NINE, **more: object) -> CommandFailed:
    return CommandFailed(**fields(now), generation=0, command=command, reason="It is broken.", run=run, **more)  # type: ignore[arg-type]


def test_run_without_items_ends_without_a_model_call() -> None:
    state = decide(begin(DAILY), passed(NINE), POLICY).state

    decision = step(state, read(state, NINE + 1, items=0))

    assert kinds(decision) == [] and decision.state.runs == {}
    (record,) = decision.state.history
    assert (record.outcome, record.cost_usd, record.cause) == ("nothing", 0.0, "schedule")
    assert decision.state.read_at == {"ci-triage": NINE}


def test_run_with_command_sources_alone_starts_the_triage() -> None:
    state = decide(begin(DAILY), passed(NINE), POLICY).state

    assert kinds(step(state, read(state, NINE, items=0, commands=1))) == ["StartRun"]


def test_run_whose_sources_cannot_be_read_fails_and_reads_them_again() -> None:
    state = decide(begin(DAILY), passed(NINE), POLICY).state

    state = step(state, read(state, NINE, items=0, problems=("The checks cannot be read: 403.",))).state

    assert (state.history[-1].outcome, state.history[-1].note) == ("failed", "The checks cannot be read: 403.")
    assert state.read_at == {} and state.failing == {"ci-triage": 1}


def test_triage_gets_the_rest_of_the_money_of_run_and_day() -> None:
    decision = triage(begin(with_limits(DAILY, run_usd=2.0, day_usd=0.75)))
    command = decision.commands[-1]

    assert isinstance(command, StartRun) and command.spec.triage
    assert command.spec.role == "triage" and command.spec.model == "small"
    assert command.spec.caps.run_usd == 0.75
    assert command.spec.triage.run == decision.state.runs["ci-triage"].id


def test_finding_is_filed_and_the_memory_written_once_it_exists() -> None:
    state = triage(begin(DAILY)).state

    filing = step(state, found(state, NINE + 60, finding("check:a"), finding("check:b")))
    one = step(filing.state, filed(filing.state, NINE + 61, "check:a"))
    both = step(one.state, filed(one.state, NINE + 62, "check:b"))

    assert kinds(filing) == ["FileFinding", "FileFinding"] and kinds(one) == []
    assert kinds(both) == ["WriteMemory"] and both.state.runs == {}
    (record,) = both.state.history
    assert (record.outcome, record.found, record.filed, record.cost_usd) == ("filed", 2, 2, 0.25)
    assert [known.ticket for known in both.state.findings] == [ticket("check:a"), ticket("check:b")]


def test_same_finding_at_the_next_slot_is_noted_and_not_filed_again() -> None:
    state = _file(begin(DAILY), "check:a")

    again = triage(state, NINE + 86_400).state
    decision = step(again, found(again, NINE + 86_460, finding("check:a", title="Said quite differently")))

    assert kinds(decision) == ["NoteFinding", "WriteMemory"]
    assert (decision.state.history[-1].outcome, decision.state.history[-1].duplicates) == ("nothing", 1)
    assert decision.state.findings[0].seen == 2


def test_resembling_finding_is_compared_by_a_matcher_and_both_costs_count() -> None:
    state = _file(begin(DAILY), "check:a")
    again = triage(state, NINE + 86_400).state

    comparing = step(again, found(again, NINE + 86_460, finding("flaky:x", title="aaa")))
    (start,) = comparing.commands
    assert isinstance(start, StartRun) and start.spec.role == "matcher" and start.spec.triage
    assert [known.fingerprint for known in start.spec.triage.known] == ["check:a"]
    assert start.spec.caps.run_usd == 0.75
    same = Match(fingerprint="flaky:x", known="check:a")
    decision = step(comparing.state, matched(comparing.state, NINE + 86_470, same, usd=0.015))

    assert kinds(decision) == ["NoteFinding", "WriteMemory"]
    assert decision.state.history[-1].cost_usd == 0.265
    assert decision.state.spent == {"ci-triage": {"2026-11-23": 0.25, "2026-11-24": 0.265}}


def test_matcher_compares_no_finding_that_is_known_by_its_items() -> None:
    state = _file(begin(DAILY), "check:a", "check:b")
    again = triage(state, NINE + 86_400).state

    comparing = step(
        again, found(again, NINE + 86_460, finding("check:b", title="aaa"), finding("flaky:x", title="aaa"))
    )
    (start,) = comparing.commands

    assert isinstance(start, StartRun) and start.spec.triage
    pairs = find_resembling(start.spec.triage.found, start.spec.triage.known)
    assert [(pair.fingerprint, pair.known) for pair in pairs] == [("flaky:x", "check:a")]


def test_finding_that_another_run_is_filing_now_is_known() -> None:
    state = triage(begin(DAILY)).state
    filing = step(state, found(state, NINE + 60, finding("check:a"))).state
    other = replace(filing, automations=(*filing.automations, replace(DAILY, name="other", schedule=None)))
    both = step(other, asked(NINE + 61, name="other", by="Ana")).state
    run = both.runs["other"]
    reading = SourcesRead(**fields(NINE + 62), run=run.id, items=1)
    at_work = step(both, reading).state

    ended = RunFinished(
        **fields(NINE + 63), run_id=at_work.runs["other"].run_id, generation=1, outcome="done",
        result=Found(findings=(finding("check:a"),)),
    )  # fmt: skip
    decision = step(at_work, ended)

    assert kinds(decision) == ["WriteMemory"] and decision.state.history[-1].duplicates == 1


def test_note_that_cannot_be_written_does_not_end_the_run() -> None:
    state = _file(begin(DAILY), "check:a")
    again = triage(state, NINE + 86_400).state
    filing = step(again, found(again, NINE + 86_460, finding("check:a"), finding("check:b"))).state

    noted = step(filing, failed("NoteFinding", filing.runs["ci-triage"].id)).state
    state = step(noted, filed(noted, NINE + 86_470, "check:b")).state

    assert (state.history[-1].outcome, state.history[-1].filed, state.history[-1].note) == (
        "filed", 1, "It is broken.",
    )  # fmt: skip


def test_matcher_that_fails_files_no_possible_duplicate_except_urgent_ones() -> None:
    state = _file(begin(DAILY), "check:a")
    again = triage(state, NINE + 86_400).state
    unsure = (
        finding("flaky:x", title="aaa"),
        finding("flaky:y", title="aaa", severity="urgent"),
        finding("issue:1", title="Quite another thing"),
    )
    comparing = step(again, found(again, NINE + 86_460, *unsure)).state

    decision = step(comparing, matched(comparing, NINE + 86_470, outcome="budget"))

    filings = [one.finding.fingerprint for one in decision.commands if isinstance(one, FileFinding)]
    assert filings == ["flaky:y", "issue:1"]
    ended = step(decision.state, *(filed(decision.state, NINE + 86_480, name) for name in filings)).state
    assert ended.history[-1].dropped == 1 and "were not compared" in ended.history[-1].note
    assert ended.read_at == {"ci-triage": NINE}


@pytest.mark.parametrize("command", ["ReadSources", "StartRun", "SourcesRead"])
def test_run_whose_command_cannot_be_performed_ends_with_the_reason(command: str) -> None:
    state = triage(begin(DAILY)).state

    state = step(state, failed(command, state.runs["ci-triage"].id)).state

    assert state.runs == {} and state.history[-1].outcome == "failed"
    assert state.history[-1].note == "It is broken."


def test_cost_of_an_agent_whose_result_is_a_dead_letter_counts_once() -> None:
    state = triage(begin(DAILY)).state
    result = found(state, NINE + 60, finding("check:a"))
    letter = failed("RunFinished", result.run_id, usage=result.usage, put_aside=True)

    ended = step(state, letter).state
    assert (ended.history[-1].outcome, ended.history[-1].cost_usd) == ("failed", 0.25)

    redriven = step(ended, result, letter).state
    assert (redriven.history[-1].cost_usd, redriven.spent) == (0.25, {"ci-triage": {"2026-11-23": 0.25}})


def test_cost_of_an_agent_that_ends_after_its_run_counts_once() -> None:
    state = triage(begin(DAILY)).state
    result = found(state, NINE + 60, finding("check:a"))

    ended = step(state, failed("StartRun", state.runs["ci-triage"].id)).state
    assert (ended.history[-1].cost_usd, ended.spent) == (0.0, {})
    other = triage(ended, NINE + 86_400).state

    late = step(other, result, result).state
    assert (late.history[-1].cost_usd, late.spent) == (0.25, {"ci-triage": {"2026-11-23": 0.25}})
    assert late.runs["ci-triage"].usage == Usage() and late.findings == ()


def test_finding_that_cannot_be_filed_is_found_again_and_the_others_are_filed() -> None:
    state = triage(begin(DAILY)).state
    filing = step(state, found(state, NINE + 60, finding("check:a"), finding("check:b"))).state
    run = filing.runs["ci-triage"].id

    state = step(filing, failed("FileFinding", run, fingerprint="check:a"), filed(filing, NINE + 61, "check:b")).state

    assert (state.history[-1].outcome, state.history[-1].filed, state.history[-1].note) == (
        "filed", 1, "It is broken.",
    )  # fmt: skip
    again = triage(state, NINE + 86_400).state
    assert kinds(step(again, found(again, NINE + 86_460, finding("check:a")))) == ["FileFinding"]


def test_problem_of_a_filed_finding_is_noted_once() -> None:
    state = triage(begin(DAILY)).state
    filing = step(state, found(state, NINE + 60, finding("check:a"), finding("check:b"))).state

    events = [replace(filed(filing, NINE + 61, name), problem="No label.") for name in ("check:a", "check:b")]
    record = step(filing, *events).state.history[-1]

    assert (record.outcome, record.filed, record.note) == ("filed", 2, "No label.")


def test_finding_beyond_the_limits_is_read_again_by_the_next_run() -> None:
    state = _file(begin(with_limits(DAILY, findings=1)), "check:a", "check:b", dropped="check:b")

    assert (state.history[-1].filed, state.history[-1].dropped) == (1, 1)
    assert state.read_at == {}


def test_memory_that_cannot_be_written_is_noted_on_the_record() -> None:
    state = _file(begin(DAILY), "check:a")

    state = step(state, failed("WriteMemory", state.history[-1].id)).state

    assert state.history[-1].note == "It is broken."


def test_automation_that_fails_again_and_again_is_counted_until_it_succeeds() -> None:
    state = begin(DAILY)
    for day in range(FAILURES_REPORTED):
        state = triage(state, NINE + day * 86_400).state
        state = step(state, found(state, NINE + day * 86_400 + 60, outcome="environment", summary="npm failed.")).state

    assert state.failing == {"ci-triage": FAILURES_REPORTED} and state.history[-1].note == "npm failed."
    state = triage(state, NINE + 4 * 86_400).state
    state = step(state, found(state, NINE + 4 * 86_400 + 60)).state
    assert state.failing == {"ci-triage": 0}


def test_waiting_agent_is_shown_until_it_continues() -> None:
    state = triage(begin(DAILY)).state
    agent = RunId(state.runs["ci-triage"].run_id)
    parked = RunParked(**fields(NINE), run_id=agent, generation=1, until=NINE + 600, reason="overloaded")

    waiting = step(state, parked).state
    going = step(waiting, RunParked(**fields(NINE), run_id=agent, generation=1, until=0)).state

    assert "overloaded" in waiting.runs["ci-triage"].waits and going.runs["ci-triage"].waits == ""


def test_result_of_another_run_changes_nothing() -> None:
    state = triage(begin(DAILY)).state
    event = found(state, NINE, finding("check:a"))
    ended = step(state, event).state

    assert step(ended, found(state, NINE + 1, finding("check:b"))).state.findings == ended.findings


def test_run_of_a_removed_automation_ends_without_filing() -> None:
    state = triage(begin(DAILY)).state
    removed = step(state, declared(now=NINE)).state

    decision = step(removed, found(removed, NINE + 60, finding("check:a")))

    assert kinds(decision) == [] and decision.state.history[-1].outcome == "skipped"
    assert decision.state.history[-1].cost_usd == 0.25


def test_two_automations_of_a_repository_know_each_others_findings() -> None:
    state = _file(begin(DAILY, replace(DAILY, name="other", schedule=None)), "check:a")
    state = step(state, asked(NINE + 100, name="other", by="Ana")).state
    state = step(state, read(state, NINE + 101)).state

    assert kinds(step(state, found(state, NINE + 102, finding("check:a")))) == ["NoteFinding", "WriteMemory"]


def _file(state: AutomationState, *names: str, dropped: str = "") -> AutomationState:
    """The state after a run that filed these findings but for one beyond the limits."""
    state = triage(state).state
    state = step(state, found(state, NINE + 60, *map(finding, names))).state
    for name in names if not dropped else [one for one in names if one != dropped]:
        state = step(state, filed(state, NINE + 61, name)).state
    return state
