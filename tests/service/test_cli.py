from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from service.version import VERSION
from tests.service.loopline import ENOUGH, loopline


def test_cli_prints_the_version() -> None:
    assert loopline("service", "version").stdout == f"loopline {VERSION}\n"


@pytest.mark.parametrize("arguments", [("service",), ("service", "dance"), ("jobs",), ("jobs", "dance")])
def test_cli_exits_with_2_and_the_usage_for_an_unknown_command(arguments: tuple[str, ...]) -> None:
    ended = loopline(*arguments)
    assert ended.returncode == 2
    assert "usage:" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("service", "up", "--env-file", "none"), "ANTHROPIC_API_KEY"),
        (("service", "check", "--env-file", "none"), "GITHUB_TOKEN"),
        (("service", "web"), "LINEAR_WEBHOOK_SECRETS"),
        (("jobs", "worker"), "LINEAR_API_KEY"),
        (("jobs", "agent"), "ANTHROPIC_API_KEY"),
    ],
)
def test_cli_exits_with_2_and_names_the_missing_setting(arguments: tuple[str, ...], name: str) -> None:
    ended = loopline(*arguments)
    assert ended.returncode == 2
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_reports_every_service_that_does_not_respond(tmp_path: Path) -> None:
    ended = loopline("service", "check", **ENOUGH, LOOPLINE_HOME=str(tmp_path), REDIS_URL="redis://127.0.0.1:9")
    assert ended.returncode == 1
    assert "REDIS_URL: Redis does not respond" in ended.stdout
    assert "LOOPLINE_TEAMS, team ENG:" in ended.stdout
    assert "LOOPLINE_TEAMS, repository acme/shop:" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_cli_reads_settings_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text("".join(f"{name}='{value}'\n" for name, value in ENOUGH.items()) + "LOOPLINE_AGNET_SLOTS=1\n")
    ended = loopline("service", "check", "--env-file", str(file))
    assert ended.stderr == "Unknown setting LOOPLINE_AGNET_SLOTS. Did you mean LOOPLINE_AGENT_SLOTS?\n"


def test_clock_refuses_to_start_with_a_redis_that_is_not_durable(tmp_path: Path, redis_server: str) -> None:
    with Redis.from_url(redis_server) as redis:
        redis.config_set("appendfsync", "everysec")
        ended = loopline("jobs", "clock", **ENOUGH, LOOPLINE_HOME=str(tmp_path), REDIS_URL=redis_server)
        redis.config_set("appendfsync", "always")
    assert ended.returncode == 2
    assert ended.stderr == "Redis has appendfsync everysec; Loopline needs appendfsync always.\n"
