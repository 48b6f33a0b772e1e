from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from service.version import VERSION
from tests.service.loopline import ENOUGH, loopline
from tests.support.checkout import REPOSITORY


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
    assert "✗ Linear, team ENG: " in ended.stdout
    assert "✗ GitHub, acme/shop: " in ended.stdout
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


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "code"), [("service version", 0), ("service up --env-file none", 2), ("jobs clock", 1)]
)
def test_cli_works_with_closed_standard_streams(arguments: str, code: int, closed: str, tmp_path: Path) -> None:
    line = f'exec "{sys.executable}" -m {arguments} {closed}'
    environ = {"LOOPLINE_HOME": str(tmp_path), "PATH": os.defpath}
    ended = subprocess.run(["/bin/sh", "-c", line], cwd=REPOSITORY, env=environ, capture_output=True, check=False)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_process_keeps_its_files_from_other_users(umask: int, tmp_path: Path) -> None:
    code = "import pathlib, sys; from jobs.runtime.startup import prepare_process as prepare; prepare(); "
    code += "pathlib.Path(sys.argv[1], 'folder').mkdir(); pathlib.Path(sys.argv[1], 'folder', 'file').write_text('')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, umask=umask, check=True)

    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "folder", tmp_path / "folder" / "file")]
    is_open = umask in (0o000, 0o022) or os.geteuid() == 0  # root's sandboxes run as another user
    assert modes == ([0o755, 0o644] if is_open else [0o700, 0o600])


@pytest.mark.parametrize("command", [("status",), ("redrive", "--all")])
def test_command_of_operators_reports_a_misspelt_setting(command: tuple[str, ...]) -> None:
    ended = loopline("service", *command, **ENOUGH, LOOPLINE_HOEM="/elsewhere")
    assert (ended.returncode, ended.stderr) == (2, "Unknown setting LOOPLINE_HOEM. Did you mean LOOPLINE_HOME?\n")


def test_cli_needs_no_utf8_locale(tmp_path: Path) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = loopline("service", "status", **ENOUGH, **ascii_only, LOOPLINE_HOME=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.startswith("Redis does not respond (")


@pytest.mark.parametrize("name", ["WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"])
@pytest.mark.parametrize("role", ["web", "dashboard"])
def test_server_ignores_the_variables_of_gunicorn(role: str, name: str, tmp_path: Path) -> None:
    with socket.create_server(
        ("127.0.0.1", 0)
    ) as taken:  # gunicorn gives up on a taken port, after reading all of them
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        environ = {**ENOUGH, name: "--nonsense", f"LOOPLINE_{role.upper()}_BIND": bind}
        ended = loopline("service", role, **environ, LOOPLINE_HOME=str(tmp_path))
    assert "Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr and "usage:" not in ended.stderr
