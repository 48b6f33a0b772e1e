"""`loopline automations`: list, run, history."""

from __future__ import annotations

import json
from io import StringIO

from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.audit import AuditJournal
from service.automations import list_automations, request_run, show_history
from tests.service.automation_states import BROKEN, SHOP, list_requests, store_state


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
