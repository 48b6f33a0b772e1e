"""The dashboard's page of automations, and the button that starts a run."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from redis import Redis

from jobs.config.settings import Settings
from service.dashboard.app import create_app
from tests.service.automation_states import BROKEN, SHOP, list_requests, store_state
from tests.service.dashboard.conftest import PASSWORD
from tests.service.dashboard.test_login import sign_in


def test_automations_page_has_history_cost_next_run_and_problems(client: FlaskClient, redis: Redis) -> None:
    store_state(redis)

    page = client.get("/automations").text

    for part in (BROKEN, "ci-triage", "&lt;b&gt;CI&lt;/b&gt;", "2026-11-28T08:00", "$0.1234", "2 filed", "0 9 * * *"):
        assert part in page
    assert page.count('data-testid="run"') == 1
    assert client.get("/api/automations").json["automations"][0]["automations"][0]["history"][0]["filed"] == 2  # type: ignore[index]


def test_declaration_that_cannot_be_used_is_a_notice_on_the_first_page(client: FlaskClient, redis: Redis) -> None:
    store_state(redis)

    assert BROKEN in client.get("/").text


def test_automations_page_without_any_explains_how_to_add_one(client: FlaskClient) -> None:
    assert ".loopline/automations/" in client.get("/automations").text


def test_run_button_needs_the_token_of_the_session(settings: Settings, redis: Redis) -> None:
    store_state(redis)
    visitor = create_app(settings, PASSWORD).test_client()
    form = {"repository": SHOP, "name": "ci-triage"}
    assert visitor.post("/automations/run", data=form).status_code in {302, 401, 403}
    sign_in(visitor)
    assert visitor.post("/automations/run", data=form).status_code == 403
    assert list_requests(redis) == []

    found = re.search(r'name="token" value="([\w-]+)"', visitor.get("/automations").text)
    assert found
    answer = visitor.post("/automations/run", data={**form, "token": found[1]})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/automations")
    assert len(list_requests(redis)) == 1
    refused = visitor.post("/automations/run", data={**form, "name": "off", "token": found[1]})
    assert refused.status_code == 409 and "turned off" in refused.text
