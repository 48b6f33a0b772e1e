from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from jobs.config.settings import Settings
from service.supervisor.embedded_redis import CannotStart
from service.supervisor.processes import ROOT, addresses, check_free, processes, split
from tests.service.conftest import free_port
from tests.support.checkout import REPOSITORY


def test_redis_starts_first_and_the_clock_last(tmp_path: Path) -> None:
    names = [process.name for process in processes(Settings(home=tmp_path, agent_processes=2), {})]
    assert names == ["redis", "web", "dashboard", "worker", "agent-1", "agent-2", "clock"]


def test_intake_stops_first_and_redis_last(tmp_path: Path) -> None:
    listed = sorted(processes(Settings(home=tmp_path), {}), key=lambda process: process.stops)
    assert [process.name for process in listed] == ["web", "clock", "worker", "agent-1", "dashboard", "redis"]


def test_a_configured_redis_is_not_started_by_us(tmp_path: Path) -> None:
    listed = processes(Settings(home=tmp_path, redis_url="redis://db"), {})
    assert "redis" not in {process.name for process in listed}


def test_slots_are_given_more_than_the_twenty_seconds_that_they_take(tmp_path: Path) -> None:
    grace = {process.name: process.grace for process in processes(Settings(home=tmp_path), {})}
    assert grace["worker"] == grace["agent-1"] == 25.0


def test_an_address_that_is_taken_is_refused_by_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(CannotStart, match=f"LOOPLINE_WEB_BIND is {taken}"):
            check_free(taken, "LOOPLINE_WEB_BIND")
    check_free(f"127.0.0.1:{free_port()}", "LOOPLINE_WEB_BIND")


@pytest.mark.parametrize(
    ("address", "parts"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:80", ("::1", 80)), ("host:1", ("host", 1))]
)
def test_addresses_are_taken_apart(address: str, parts: tuple[str, int]) -> None:
    assert split(address) == parts


def test_links_lead_to_the_public_address_of_the_dashboard() -> None:
    settings = Settings(dashboard_url="https://loop.acme.dev")
    assert addresses(settings) == {"web": "http://127.0.0.1:8700", "dashboard": "https://loop.acme.dev"}


def test_a_child_gets_its_share_of_the_environment_and_whole_paths(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "LOOPLINE_HOME": "relative",
        "LOOPLINE_TEAMS": "{}",
        "ANTHROPIC_API_KEY": "sk-hush",
        "LINEAR_API_KEY": "lin-hush",
    }
    (agent,) = [one for one in processes(Settings(home=tmp_path), environ) if one.name == "agent-1"]
    with (tmp_path / "log").open("wb") as log:
        child = agent.start(log.fileno())
    deadline = time.monotonic() + 10
    while not (seen := Path(f"/proc/{child.pid}/environ").read_bytes().decode()) and time.monotonic() < deadline:
        time.sleep(0.01)  # empty for the moment in which the process becomes its program
    child.kill()
    child.wait()
    assert f"LOOPLINE_HOME={tmp_path}\0" in seen
    assert "sk-hush" in seen
    assert "lin-hush" not in seen


def test_the_procfile_starts_every_role_by_module() -> None:
    lines = dict(line.split(": ", 1) for line in (REPOSITORY / "Procfile").read_text().splitlines())
    assert lines.keys() == {"web", "dashboard", "worker", "agent", "clock"}
    assert all(command.startswith("python -m ") for command in lines.values())


def test_processes_start_where_our_folders_are() -> None:
    assert ROOT == REPOSITORY
