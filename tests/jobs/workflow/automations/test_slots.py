"""Slots and requests: each slot starts one run over all jumps of the clock, and missed ones start one together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.automation_events import DeclarationsOutdated, ScheduleAdvanced
from jobs.loop.automation import Automation, Schedule
from jobs.loop.automation_commands import ReadSources
from jobs.loop.automation_state import AutomationState
from jobs.workflow.automations import decide
from jobs.workflow.automations.slots import explain_refusal
from tests.jobs.workflow.automations.values import (
    DAILY,
    MONDAY,
    POLICY,
    SHOP,
    asked,
    at,
    begin,
    declared,
    fields,
    kinds,
    passed,
    read,
    step,
    with_limits,
)

DAY = 86_400.0


def run_at(state: AutomationState, now: float) -> AutomationState:
    """A quiet run of everything that is due now."""
    state = decide(state, passed(now), POLICY).state
    return decide(state, read(state, now, items=0), POLICY).state if state.runs else state


def started(state: AutomationState) -> list[str]:
    return [record.id for record in state.history]


def test_slot_starts_a_run_that_reads_the_sources_since_the_last_one() -> None:
    state = begin(DAILY)
    assert state.due_at == at("2026-11-23 08:00")

    early = step(state, passed(at("2026-11-23 07:59")))
    assert kinds(early) == []
    decision = step(early.state, passed(at("2026-11-23 08:00")))

    assert kinds(decision) == ["ReadSources"]
    assert decision.state.runs["ci-triage"].id == "acme__shop-ci-triage-20261123T0800Z"
    assert decision.commands[0].since == at("2026-11-22 08:00")  # type: ignore[union-attr]
    assert decision.state.due_at == 0.0


def test_slot_is_run_once_when_its_deadline_arrives_again() -> None:
    state = run_at(begin(DAILY), at("2026-11-23 08:00"))

    for minute in range(1, 5):
        state = run_at(state, at(f"2026-11-23 08:0{minute}"))

    assert len(started(state)) == 1


def test_slots_that_were_missed_start_one_run() -> None:
    state = run_at(begin(DAILY), at("2026-11-26 12:00"))

    assert started(state) == ["acme__shop-ci-triage-20261126T0800Z"]
    assert state.due_at == at("2026-11-27 08:00")


@pytest.mark.parametrize("back", [60.0, 3600.0, DAY, 2 * DAY])
def test_slot_is_not_run_again_after_the_clock_went_back(back: float) -> None:
    first = run_at(run_at(begin(DAILY), MONDAY + DAY), MONDAY + 2 * DAY)

    state = first
    for hour in range(0, int(back // 3600) + 24, 6):
        state = run_at(state, MONDAY + 2 * DAY - back + hour * 3600)

    new = started(state)[len(started(first)) :]
    assert len(set(started(state))) == len(started(state))
    assert set(new) <= {"acme__shop-ci-triage-20261125T0800Z"}


def test_slot_of_a_clock_far_ahead_does_not_stop_later_ones() -> None:
    state = run_at(begin(DAILY), at("2031-01-01 12:00"))

    state = run_at(run_at(state, at("2026-11-23 07:30")), at("2026-11-23 08:00"))

    assert started(state) == ["acme__shop-ci-triage-20310101T0800Z", "acme__shop-ci-triage-20261123T0800Z"]


def test_sources_are_not_skipped_after_a_clock_far_ahead() -> None:
    state = run_at(begin(DAILY), at("2031-01-01 12:00"))

    state = run_at(state, at("2026-11-23 07:30"))
    (command,) = step(state, passed(at("2026-11-23 08:00"))).commands

    assert isinstance(command, ReadSources) and command.since == at("2026-11-22 08:00")


def test_sources_of_a_rehearsed_slot_count_as_read_at_the_present() -> None:
    ahead = ScheduleAdvanced(**fields(MONDAY), until=at("2026-11-24 08:00"))
    state = step(begin(DAILY), ahead).state

    state = step(state, read(state, MONDAY + 5, items=0)).state

    assert state.read_at == {"ci-triage": MONDAY + 5}
    assert state.last_slots == {"ci-triage": at("2026-11-24 08:00")}


def test_deadline_from_a_clock_far_ahead_starts_nothing() -> None:
    decision = step(begin(DAILY), passed(MONDAY, due=at("2026-11-24 08:00")))

    assert kinds(decision) == []


def test_slot_waits_while_a_run_of_the_automation_has_not_ended() -> None:
    state = decide(begin(DAILY), passed(at("2026-11-23 08:00")), POLICY).state

    later = step(state, passed(at("2026-11-24 08:00")), passed(at("2026-11-25 08:00")))
    ended = step(later.state, read(later.state, at("2026-11-25 08:30"), items=0))

    assert kinds(later) == [] and kinds(ended) == ["ReadSources"]
    assert ended.state.runs["ci-triage"].slot == at("2026-11-25 08:00")


def test_new_automation_does_not_run_its_earlier_slots() -> None:
    assert kinds(step(begin(DAILY, now=at("2026-11-23 12:00")), passed(at("2026-11-23 12:01")))) == []


def test_changed_schedule_does_not_run_slots_before_the_change() -> None:
    earlier = replace(DAILY, schedule=Schedule(cron="0 6 * * *"))
    state = step(begin(DAILY, now=at("2026-11-22 12:00")), declared(earlier, now=MONDAY)).state

    assert kinds(step(state, passed(MONDAY + 60))) == []
    assert state.due_at == at("2026-11-24 06:00")


def test_slot_in_quiet_hours_starts_at_their_end() -> None:
    quiet = replace(DAILY, schedule=Schedule(cron="0 23 * * *", quiet_hours="22:00-07:00"))
    state = begin(quiet)
    assert state.due_at == at("2026-11-24 07:00")

    assert kinds(step(state, passed(at("2026-11-23 23:00")))) == []
    decision = step(state, passed(at("2026-11-23 23:00")), passed(at("2026-11-24 07:00")))

    assert decision.state.runs["ci-triage"].slot == at("2026-11-23 23:00")


def test_holiday_has_no_slot() -> None:
    holiday = replace(DAILY, schedule=replace(DAILY.schedule, holidays=("2026-11-23",)))  # type: ignore[type-var]

    assert begin(holiday).due_at == at("2026-11-24 08:00")


def test_request_of_a_person_starts_in_quiet_hours_too_and_once() -> None:
    quiet = replace(DAILY, schedule=Schedule(quiet_hours="00:00-23:59"))

    first = step(begin(quiet), asked(MONDAY, by="Ana"))
    again = step(first.state, asked(MONDAY + 1, by="Ana"), asked(MONDAY + 2, by="Bea"))
    ended = step(again.state, read(again.state, MONDAY + 3, items=0))

    assert kinds(first) == ["ReadSources"] and kinds(again) == [] and kinds(ended) == ["ReadSources"]
    assert first.state.runs["ci-triage"].cause == "manual" and ended.state.requested == {}


def test_trigger_starts_the_automations_that_declare_it() -> None:
    red, other = replace(DAILY, on=("ci_red",), schedule=None), replace(DAILY, name="other", schedule=None)
    labelled = replace(DAILY, name="labelled", on=("label",), label="Flaky", schedule=None)
    state = begin(red, other, labelled)

    assert list(step(state, asked(MONDAY, name="", trigger="ci_red")).state.runs) == ["ci-triage"]
    assert list(step(state, asked(MONDAY, name="", trigger="label", label="flaky")).state.runs) == ["labelled"]
    assert step(state, asked(MONDAY, name="", trigger="label", label="bug")).state.runs == {}


def test_trigger_in_quiet_hours_waits_for_their_end() -> None:
    quiet = replace(DAILY, on=("ci_red",), schedule=Schedule(quiet_hours="06:00-08:00"))

    state = step(begin(quiet), asked(MONDAY, name="", trigger="ci_red")).state

    assert state.runs == {} and state.due_at == at("2026-11-23 08:00")
    assert list(step(state, passed(state.due_at)).state.runs) == ["ci-triage"]


@pytest.mark.parametrize("limits", [{"run_usd": 0.0}, {"day_usd": 0.0}])
def test_slot_without_money_is_skipped_with_a_line_in_the_history(limits: dict[str, float]) -> None:
    decision = step(begin(with_limits(DAILY, **limits)), passed(at("2026-11-23 08:00")))

    assert kinds(decision) == []
    assert [record.outcome for record in decision.state.history] == ["skipped"]
    assert "budget" in decision.state.history[0].note or "run_usd" in decision.state.history[0].note


def test_automation_that_is_turned_off_or_removed_has_no_slot() -> None:
    off = replace(DAILY, enabled=False)

    assert begin(off).due_at == 0.0
    assert step(begin(DAILY), declared(now=MONDAY + 60)).state.due_at == 0.0


def test_refusal_names_a_budget_that_is_used_up() -> None:
    state = replace(begin(with_limits(DAILY, day_usd=2.0)), spent={"ci-triage": {"2026-11-23": 2.0}})

    assert explain_refusal(state, SHOP, "ci-triage", MONDAY) == (
        "The automation ci-triage cannot start now. The day's budget of $2.00 is used up ($2.00 spent), until midnight "
        "UTC."
    )
    assert explain_refusal(state, SHOP, "ci-triage", MONDAY + DAY) == ""


def test_refusal_names_automation_and_fix() -> None:
    state = begin(DAILY, replace(DAILY, name="off", enabled=False, origin="x.md"))
    broken = replace(state, problems=(".loopline/automations/bad.md in acme/shop at main cannot be used: line 2.",))

    assert explain_refusal(state, SHOP, "ci-triage", MONDAY) == ""
    assert explain_refusal(state, SHOP, "nope", MONDAY) == (
        "No automation of acme/shop is named nope. There are: ci-triage, off."
    )
    assert explain_refusal(state, SHOP, "off", MONDAY) == (
        "The automation off is turned off: remove `enabled: false` from x.md."
    )
    assert explain_refusal(broken, SHOP, "bad", MONDAY) == broken.problems[0]
    assert "add .loopline/automations/x.md" in explain_refusal(None, SHOP, "x", MONDAY)


def test_several_automations_have_slots_of_their_own() -> None:
    hourly: Automation = replace(DAILY, name="hourly", schedule=Schedule(cron="0 * * * *"))
    state = begin(DAILY, hourly)

    assert state.next_slots == {"ci-triage": at("2026-11-23 08:00"), "hourly": at("2026-11-23 08:00")}
    assert kinds(step(state, passed(at("2026-11-23 08:00")))) == ["ReadSources", "ReadSources"]


def test_slot_of_a_rehearsal_is_run_once_and_not_again_at_its_time() -> None:
    slot = at("2026-11-23 08:00")
    rehearsal = ScheduleAdvanced(event_id="a1", at=at("2026-11-22 12:00"), until=slot)

    state = decide(begin(DAILY), rehearsal, POLICY).state
    state = decide(state, read(state, at("2026-11-22 12:01"), items=0), POLICY).state
    state = run_at(state, slot)

    assert started(state) == ["acme__shop-ci-triage-20261123T0800Z"]
    assert state.due_at == slot + DAY


def test_repository_that_no_team_works_in_any_more_has_no_automations() -> None:
    state = replace(begin(DAILY), team="")

    gone = step(state, DeclarationsOutdated(**fields(MONDAY)))

    assert kinds(gone) == [] and gone.state.automations == () and gone.state.due_at == 0.0
    assert gone.state.base_sha == ""
    assert kinds(step(replace(gone.state, team="ENG"), DeclarationsOutdated(**fields(MONDAY)))) == ["ReadDeclarations"]
