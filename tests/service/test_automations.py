"""`loopline automations`: list, run, advance, history."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from io import StringIO

from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.audit import AuditJournal
from jobs.workflow.automations.decision import day_of
from service.automations import advance, list_automations, request_run, show_history
from tests.service.automation_states import BROKEN, SHOP, STATE, list_requests, store_state


def test_automations_list_has_next_start_and_declarations_that_cannot_be_used(redis: Redis) -> None:
    store_state(redis)
    out = StringIO()

    assert list_automations(redis, out) == 1
    first, second, problem, total = out.getvalue().splitlines()
    assert first.split() == [SHOP, "ci-triage", "next", "2026-11-28", "08:00Z", "last", "filed"]
    assert second.split() == [SHOP, "off", "off", "never", "run"]
    assert (problem, total) == (BROKEN, "2 automations.")


def test_automations_history_has_numbers_cost_and_note_in_one_line(redis: Redis) -> None:
    store_state(redis)
    out = StringIO()

    assert show_history(redis, out, "ACME/shop") == 0
    assert out.getvalue().splitlines() == [
        "2026-11-27 08:00Z acme/shop ci-triage schedule filed $0.1234 3 found, 1 duplicates, 2 filed One[31m note.",
        "1 runs, $0.1234.",
    ]


def test_automations_run_delivers_one_request_with_the_operator(redis: Redis, settings: Settings) -> None:
    store_state(redis)
    out = StringIO()

    assert request_run(redis, out, SHOP, "ci-triage", AuditJournal(settings.home, redis)) == 0
    (event,) = map(json.loads, list_requests(redis))
    assert event["kind"] == "AutomationRequested" and event["name"] == "ci-triage" and event["by"]


def test_automations_run_of_an_unknown_or_disabled_one_has_a_reason(redis: Redis, settings: Settings) -> None:
    store_state(redis)
    for repository, name, reason in (
        (SHOP, "nope", "No automation of acme/shop is named nope. There are: ci-triage, off."),
        (SHOP, "off", "The automation off is turned off: remove `enabled: false` from .loopline/automations/off.md."),
        (SHOP, "bad", BROKEN),
        ("acme/none", "x", "acme/none has no automation: add .loopline/automations/x.md to its base branch."),
    ):
        out = StringIO()
        assert request_run(redis, out, repository, name, AuditJournal(settings.home, redis)) == 1
        assert out.getvalue().strip() == reason
    assert list_requests(redis) == []


def test_automations_run_without_money_left_for_the_day_has_a_reason(redis: Redis, settings: Settings) -> None:
    (name,) = (one.name for one in STATE.automations if one.enabled)
    store_state(redis, replace(STATE, spent={name: {day_of(time.time()): 100.0}}))
    out = StringIO()

    assert request_run(redis, out, SHOP, name, AuditJournal(settings.home, redis)) == 1
    assert "cannot start now. The day's budget of" in out.getvalue()
    assert list_requests(redis) == []


def test_automations_advance_passes_the_slots_until_a_time_once(redis: Redis) -> None:
    store_state(redis)
    slot = STATE.next_slots["ci-triage"]
    out = StringIO()

    for _ in range(2):
        assert advance(redis, out, "2026-11-28T09:00+01:00", slot - 3_600) == 0
    (event,) = map(json.loads, list_requests(redis))
    assert (event["kind"], event["until"]) == ("ScheduleAdvanced", slot)
    assert out.getvalue().splitlines()[0] == "Advanced the automations of 1 repositories to 2026-11-28 08:00Z."


def test_automations_advance_refuses_a_time_that_is_past_or_far_ahead_or_none(redis: Redis) -> None:
    store_state(redis)
    now = STATE.next_slots["ci-triage"]
    for until, reason in (
        ("tomorrow", "tomorrow is no time: write it as 2026-11-28T07:00+01:00."),
        ("2026-11-27T08:00Z", "2026-11-27T08:00Z is not within the next 2 days."),
        ("2027-11-27T08:00Z", "2027-11-27T08:00Z is not within the next 2 days."),
    ):
        out = StringIO()
        assert advance(redis, out, until, now) == 1
        assert out.getvalue().strip() == reason
    assert list_requests(redis) == []
