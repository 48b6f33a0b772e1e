from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from redis import Redis

from integrations.errors import Unauthorized, Unavailable
from jobs.clock import LEADER
from jobs.config.settings import Settings
from jobs.runtime import keys
from jobs.runtime.dead_processes import release_leases_of_dead_processes
from jobs.runtime.heartbeats import EGRESS, send_heartbeat
from jobs.runtime.notices import post
from jobs.runtime.queues import AGENTS, EVENTS
from jobs.store.breaker import Breaker
from service.version import VERSION
from service.web.app import create_app
from service.web.health import failing_parts
from tests.crash.disk import replay_in_namespace, small_disk
from tests.service.conftest import Web
from tests.support.checkout import REPOSITORY


def send_all_heartbeats(redis: Redis) -> None:
    send_heartbeat(redis, EVENTS)
    send_heartbeat(redis, AGENTS)
    send_heartbeat(redis, EGRESS)
    redis.set(keys.lease(LEADER), "owner")


def test_healthz_returns_the_version(web: Web) -> None:
    answer = web.send("GET", "/healthz")
    assert (answer.status, answer.body) == (200, {"ok": True, "version": VERSION})


def test_version_is_the_version_of_the_project() -> None:
    assert tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_readyz_is_fine_when_all_processes_are_alive(web: Web, redis: Redis) -> None:
    send_all_heartbeats(redis)
    answer = web.send("GET", "/readyz")
    assert (answer.status, answer.body["state"], answer.body["failing"]) == (200, "fine", {})


def test_readyz_is_recovering_until_leases_of_a_dead_process_are_released(redis: Redis, settings: Settings) -> None:
    send_all_heartbeats(redis)
    client = create_app(settings).test_client()
    code = "import sys, pathlib, jobs.runtime.dead_processes as d; d.register_process(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(settings.home)], cwd=REPOSITORY, check=True)

    assert client.get("/readyz").json["state"] == "recovering"

    release_leases_of_dead_processes(redis, settings.home)
    assert client.get("/readyz").json["state"] == "fine"


def test_readyz_fails_and_names_the_missing_processes(web: Web, redis: Redis) -> None:
    answer = web.send("GET", "/readyz")
    assert (answer.status, answer.body["state"]) == (503, "failing")
    assert answer.body["failing"].keys() == {EVENTS, AGENTS, EGRESS, "clock"}


def test_readyz_fails_when_one_queue_has_no_process(settings: Settings, redis: Redis) -> None:
    send_all_heartbeats(redis)
    redis.zrem("alive", *[one for one in redis.zrange("alive", 0, -1) if one.startswith(b"agents")])
    assert failing_parts(settings, redis).keys() == {AGENTS}


def test_readyz_fails_without_durable_redis_unless_accepted(settings: Settings, redis: Redis) -> None:
    send_all_heartbeats(redis)
    redis.config_set("appendfsync", "everysec")
    accepted = settings.model_copy(update={"i_accept_weak_redis": True})
    found = failing_parts(settings, redis), failing_parts(accepted, redis)
    redis.config_set("appendfsync", "always")
    assert found[0].keys() == {"persistence"}
    assert found[1] == {}


def test_readyz_reports_a_full_disk_also_without_redis(
    settings: Settings, redis: Redis, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    send_all_heartbeats(redis)
    with small_disk(settings.home / "disk", megabytes=5) as disk:
        own = settings.model_copy(update={"home": disk.folder})
        disk.fill_to(0.95)
        assert list(failing_parts(own, redis)) == ["disk"]
        away = own.model_copy(update={"redis_url": Settings(redis_url="redis://127.0.0.1:1").redis_url})
        disk.fill()
        answer = create_app(away).test_client().get("/readyz")
        assert answer.status_code == 503 and answer.json["failing"].keys() == {"disk", "redis"}
        assert str(disk.folder) in answer.json["failing"]["disk"]
        disk.free()
        assert failing_parts(own, redis) == {}


def test_readyz_reports_refused_credentials(web: Web, redis: Redis) -> None:
    send_all_heartbeats(redis)
    Breaker(redis).record_failure("r1", Unauthorized("invalid x-api-key"))
    answer = web.send("GET", "/readyz")
    assert (answer.status, answer.body["failing"].keys()) == (503, {"model"})
    assert answer.body["failing"]["model"].endswith("all runs wait: invalid x-api-key")


def test_readyz_ignores_an_overloaded_provider(settings: Settings, redis: Redis) -> None:
    send_all_heartbeats(redis)
    Breaker(redis).record_failure("r1", Unavailable("Overloaded", 30))
    assert failing_parts(settings, redis) == {}


def test_web_app_starts_while_redis_is_unavailable(settings: Settings) -> None:
    unavailable = settings.model_copy(update={"redis_url": Settings(redis_url="redis://127.0.0.1:1").redis_url})
    assert create_app(unavailable).test_client().get("/healthz").status_code == 200


def test_web_process_imports_no_provider_client() -> None:
    code = "import sys, service.web.app; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "flask" in loaded.stdout
    for client in ("gql", "requests", "anthropic", "git", "httpx", "httpx2", "jwt"):
        assert f"'{client}'" not in loaded.stdout


def test_readyz_shows_warnings_without_failing(web: Web, redis: Redis) -> None:
    send_all_heartbeats(redis)
    assert web.send("GET", "/readyz").body["warnings"] == []

    post(redis, "clock", "The clock went back by 10 min.", 60)
    post(redis, "skew", "This host's clock is 9.0 min behind.", 60)
    post(redis, "clock", "The host slept for 2 h.", 60)

    answer = web.send("GET", "/readyz")
    assert (answer.status, answer.body["state"]) == (200, "fine")
    assert answer.body["warnings"] == ["The host slept for 2 h.", "This host's clock is 9.0 min behind."]
