"""A workspace is connected on the dashboard, by a person who is signed in, at a local Linear."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from flask.testing import FlaskClient
from redis import Redis

from integrations.standins.linear.server import create_app as create_linear
from integrations.standins.linear.server import serve
from jobs.config.environment import parse_settings
from jobs.config.settings import Settings
from jobs.effects import world as worlds
from jobs.effects.build import build_world
from jobs.effects.world import World
from jobs.runtime import keys, queues
from service.dashboard.app import create_app
from tests.integrations.standins.linear.oauth_apps import build_seed
from tests.service.dashboard.conftest import HEADERS, PASSWORD

DASHBOARD = "http://127.0.0.1:8701"
INSTALL, CALLBACK = "/oauth/linear/install", f"{DASHBOARD}/oauth/linear/callback"


@pytest.fixture
def linear(tmp_path: Path) -> Iterator[str]:
    seed = build_seed("Acme", "ENG", client_credentials=False)
    seed["apps"][0]["redirectUris"] = [CALLBACK]
    with serve(create_linear(tmp_path / "linear", seed)) as served:
        yield served.url


@pytest.fixture
def environ(settings: Settings, linear: str) -> dict[str, str]:
    return {
        "LOOPLINE_HOME": str(settings.home),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "LOOPLINE_DASHBOARD_URL": DASHBOARD,
        "LINEAR_API_URL": f"{linear}/graphql",
        "LINEAR_CLIENT_ID": "app-1",
        "LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/shop"}}',
    }


@pytest.fixture
def person(environ: dict[str, str]) -> FlaskClient:
    """Signed in to the dashboard, which does not have the app's secret."""
    client = create_app(parse_settings(environ), PASSWORD).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = HEADERS["Authorization"]
    return client


@contextmanager
def working(environ: dict[str, str], redis: Redis) -> Iterator[World]:
    """A worker takes one job meanwhile, as soon as it is queued."""
    world = build_world(parse_settings(environ | {"LINEAR_CLIENT_SECRET": "app-secret-1"}), redis, "worker")
    worlds.install(world)
    queue = queues.open_queue(redis, queues.EVENTS)

    def work() -> None:
        found: Any = redis.blpop([queue.key], 15)
        job = queue.fetch_job(found[1].decode())
        assert job
        job.perform()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        thread.join(20)
        world.tracker.close()  # type: ignore[attr-defined]


def start(person: FlaskClient) -> dict[str, str]:
    """Begin the authorization; returns the query of Linear's page."""
    answer = person.get(INSTALL, base_url=DASHBOARD)
    target = urlsplit(answer.headers["Location"])
    assert (answer.status_code, target.path) == (302, "/oauth/authorize")
    return {name: value for name, [value] in parse_qs(target.query).items()}


def confirm(linear: str, query: dict[str, str], decision: str = "authorize") -> str:
    """The administrator decides; returns the path of the callback with its query."""
    form = {**query, "decision": decision}
    answer = requests.post(f"{linear}/oauth/authorize", data=form, allow_redirects=False, timeout=10)
    target = urlsplit(answer.headers["Location"])
    return f"{target.path}?{target.query}"


def test_workspace_is_connected_and_the_worker_uses_its_tokens(
    person: FlaskClient, linear: str, environ: dict[str, str], redis: Redis
) -> None:
    query = start(person)
    assert (query["actor"], query["scope"]) == ("app", "read,write,app:assignable,app:mentionable")
    with working(environ, redis) as world:
        page = person.get(confirm(linear, query), base_url=DASHBOARD)
        assert page.status_code == 200 and "workspace Acme" in page.text, page.text
    world.tracker.check_columns("ENG", ["Agent"])
    assert len(redis.hkeys(keys.TOKENS)) == 1


def test_authorization_is_used_once_and_by_the_browser_that_began_it(
    person: FlaskClient, linear: str, environ: dict[str, str], redis: Redis
) -> None:
    query = start(person)
    callback = confirm(linear, query)
    stranger = create_app(parse_settings(environ), PASSWORD).test_client()
    stranger.environ_base["HTTP_AUTHORIZATION"] = HEADERS["Authorization"]
    assert stranger.get(callback, base_url=DASHBOARD).status_code == 403
    with working(environ, redis):
        assert person.get(callback, base_url=DASHBOARD).status_code == 200
    again = person.get(callback, base_url=DASHBOARD)
    assert again.status_code == 403 and "Start again at /oauth/linear/install" in again.text


def test_authorization_that_a_person_refuses_is_reported(person: FlaskClient, linear: str) -> None:
    page = person.get(confirm(linear, start(person), "cancel"), base_url=DASHBOARD)
    assert page.status_code == 403 and "access_denied" in page.text


def test_authorization_that_linear_refuses_is_reported(
    person: FlaskClient, environ: dict[str, str], redis: Redis
) -> None:
    state = start(person)["state"]
    with working(environ, redis):
        path = f"/oauth/linear/callback?{urlencode({'state': state, 'code': 'wrong'})}"
        page = person.get(path, base_url=DASHBOARD)
    assert page.status_code == 502 and "authorization code is invalid" in page.text


def test_install_page_needs_a_session_and_an_app(environ: dict[str, str]) -> None:
    client = create_app(parse_settings(environ), PASSWORD).test_client()
    answer = client.get(INSTALL, base_url=DASHBOARD)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login?next={INSTALL}")
    without = create_app(parse_settings(environ | {"LINEAR_CLIENT_ID": ""}), PASSWORD).test_client()
    missing = without.get(INSTALL, base_url=DASHBOARD, headers=HEADERS)
    assert missing.status_code == 404 and "LINEAR_CLIENT_ID is not set" in missing.text
    assert without.get("/oauth/other/install", base_url=DASHBOARD, headers=HEADERS).status_code == 404


def test_install_page_moves_to_the_address_of_the_callback(person: FlaskClient) -> None:
    answer = person.get(INSTALL, base_url="http://localhost:8701")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{DASHBOARD}{INSTALL}")
