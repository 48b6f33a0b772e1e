from __future__ import annotations

import subprocess
import sys
import tomllib

from redis import Redis

from integrations.errors import Unauthorized, Unavailable
from jobs.clock import LEADER
from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.dead_processes import clear_away_the_dead
from jobs.runtime.heartbeats import beat
from jobs.runtime.queues import AGENTS, EVENTS
from jobs.store.breaker import Breaker
from service.version import VERSION
from service.web.app import create_app
from service.web.health import failing_parts
from tests.service.conftest import Web
from tests.support.checkout import REPOSITORY


def everybody_lives(redis: Redis) -> None:
    beat(redis, EVENTS)
    beat(redis, AGENTS)
    redis.set(keys.lease(LEADER), "somebody")


def test_a_process_that_is_up_says_its_version(web: Web) -> None:
    answer = web.send("GET", "/healthz")
    assert (answer.status, answer.body) == (200, {"ok": True, "version": VERSION})


def test_the_version_is_the_projects() -> None:
    assert tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_with_everybody_alive_it_is_ready(web: Web, redis: Redis) -> None:
    everybody_lives(redis)
    answer = web.send("GET", "/readyz")
    assert (answer.status, answer.body["state"], answer.body["failing"]) == (200, "fine", {})


def test_until_a_dead_process_is_cleared_away_it_is_recovering(redis: Redis, settings: Settings) -> None:
    everybody_lives(redis)
    door = create_app(settings).test_client()
    code = "import sys, pathlib, jobs.runtime.dead_processes as d; d.announce(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(settings.home)], cwd=REPOSITORY, check=True)

    assert door.get("/readyz").json["state"] == "recovering"

    clear_away_the_dead(redis, settings.home)
    assert door.get("/readyz").json["state"] == "fine"


def test_without_workers_and_clock_it_is_not_ready_and_says_what_is_missing(web: Web, redis: Redis) -> None:
    answer = web.send("GET", "/readyz")
    assert (answer.status, answer.body["state"]) == (503, "failing")
    assert answer.body["failing"].keys() == {EVENTS, AGENTS, "clock"}


def test_one_missing_queue_is_enough(settings: Settings, redis: Redis) -> None:
    everybody_lives(redis)
    redis.zrem("alive", *[one for one in redis.zrange("alive", 0, -1) if one.startswith(b"agents")])
    assert failing_parts(settings, redis).keys() == {AGENTS}


def test_a_weak_redis_is_not_ready_unless_it_was_accepted(settings: Settings, redis: Redis) -> None:
    everybody_lives(redis)
    redis.config_set("appendfsync", "everysec")
    accepted = settings.model_copy(update={"i_accept_weak_redis": True})
    found = failing_parts(settings, redis), failing_parts(accepted, redis)
    redis.config_set("appendfsync", "always")
    assert found[0].keys() == {"persistence"}
    assert found[1] == {}


def test_refused_credentials_are_one_sentence_on_the_health_page(web: Web, redis: Redis) -> None:
    everybody_lives(redis)
    Breaker(redis).failed("r1", Unauthorized("invalid x-api-key"))
    answer = web.send("GET", "/readyz")
    assert (answer.status, answer.body["failing"].keys()) == (503, {"model"})
    assert answer.body["failing"]["model"].endswith("all of them wait: invalid x-api-key")


def test_an_overloaded_provider_is_no_fault_of_ours(settings: Settings, redis: Redis) -> None:
    everybody_lives(redis)
    Breaker(redis).failed("r1", Unavailable("Overloaded", 30))
    assert failing_parts(settings, redis) == {}


def test_the_app_is_made_while_redis_is_away(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": Settings(redis_url="redis://127.0.0.1:1").redis_url})
    assert create_app(away).test_client().get("/healthz").status_code == 200


def test_the_web_process_imports_no_client_of_any_provider() -> None:
    code = "import sys, service.web.app; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "flask" in loaded.stdout
    for client in ("gql", "requests", "anthropic", "git", "httpx", "httpx2", "jwt"):
        assert f"'{client}'" not in loaded.stdout
