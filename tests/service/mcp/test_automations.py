"""The tools about automations."""

from __future__ import annotations

import json
from dataclasses import replace

from redis import Redis

from integrations.values import Person
from jobs.runtime.freeze import Freeze, set_freeze
from jobs.store.members import Membership, store_member
from tests.service.automation_states import BROKEN, SHOP, STATE, list_requests, store_state
from tests.service.mcp.conftest import ANA, EVE, Desk
from tests.service.mcp.test_reading import Client, client

__all__ = ["client"]


def test_automations_of_readable_teams_are_listed(client: Client, redis: Redis) -> None:
    store_state(redis)

    listed = client.read("list_automations")
    client.be("OPS")

    first, second = listed["automations"]
    assert first["name"] == "ci-triage" and first["next_at"] == "2026-11-28T08:00:00+00:00"
    assert first["description"]["untrusted_text"] == "<b>CI</b>" and first["last_outcome"] == "filed"
    assert first["last_note"]["untrusted_text"] == "One⟨U+001B⟩[31m note." and second["enabled"] is False
    assert [one["untrusted_text"] for one in listed["problems"]] == [BROKEN]
    assert client.read("list_automations") == {"automations": [], "problems": []}


def test_run_is_requested_once_in_the_persons_name(desk: Desk) -> None:
    store_state(desk.redis)
    person = Person(id="eve", name="Eve", may_steer=True)  # until the worker looks the person up again
    store_member(desk.redis, EVE, Membership(person=person, teams=("ENG",)))
    given = {"repository": SHOP.upper(), "name": "ci-triage", "idempotency_key": "one"}

    refused = desk.refusal(desk.token(EVE), "run_automation", **given)
    for _ in range(2):
        assert desk.call(desk.token(), "run_automation", **given)["repository"] == SHOP
    missing = desk.refusal(desk.token(), "run_automation", repository=SHOP, name="nope")
    store_state(desk.redis, replace(STATE, repository="acme/other", team="OPS"))
    other = desk.refusal(desk.token(), "run_automation", repository="acme/other", name="ci-triage")
    set_freeze(desk.redis, desk.board.world.settings.home, Freeze("f", 1.0, "ana@host", "an incident"))
    frozen = desk.refusal(desk.token(), "run_automation", repository=SHOP, name="ci-triage")

    (request,) = map(json.loads, list_requests(desk.redis))
    assert (request["name"], request["by"]) == ("ci-triage", ANA)
    assert "Ignored `/run ci-triage`: Eve does not have permission" in refused
    assert "No automation of acme/shop is named nope. There are: ci-triage, off." in missing
    assert "acme/other has no automation" in other and "Thaw it first" in frozen
