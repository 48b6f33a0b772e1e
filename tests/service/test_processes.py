from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from jobs.config.settings import Settings
from service.supervisor.embedded_redis import CannotStart
from service.supervisor.processes import ROOT, check_address_is_free, list_addresses, list_processes, split_address
from tests.service.conftest import free_port
from tests.support.checkout import REPOSITORY


def test_processes_start_with_redis_and_end_with_the_clock(tmp_path: Path) -> None:
    names = [process.name for process in list_processes(Settings(home=tmp_path, agent_processes=2), {})]
    assert names == ["redis", "web", "dashboard", "egress", "worker", "agent-1", "agent-2", "clock"]


def test_processes_include_the_mcp_server_with_an_address_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mcp_bind="127.0.0.1:8702")
    assert [process.name for process in list_processes(settings, {})][1:4] == ["web", "dashboard", "mcp"]
    assert list_addresses(settings)["mcp"] == "http://127.0.0.1:8702"


def test_processes_include_the_connectors_where_servers_are_declared(tmp_path: Path) -> None:
    listed = list_processes(Settings(home=tmp_path, connectors=tmp_path / "connectors.json"), {})
    assert [process.name for process in listed][-2:] == ["clock", "connectors"]


def test_processes_stop_with_web_first_and_redis_last(tmp_path: Path) -> None:
    listed = sorted(list_processes(Settings(home=tmp_path), {}), key=lambda process: process.stop_order)
    assert [process.name for process in listed] == ["web", "clock", "worker", "agent-1", "dashboard", "egress", "redis"]


def test_processes_do_not_include_a_configured_redis(tmp_path: Path) -> None:
    listed = list_processes(Settings(home=tmp_path, redis_url="redis://db"), {})
    assert "redis" not in {process.name for process in listed}


def test_processes_with_slots_have_a_longer_grace_period_than_the_slots(tmp_path: Path) -> None:
    grace = {process.name: process.grace for process in list_processes(Settings(home=tmp_path), {})}
    assert grace["worker"] == grace["agent-1"] == 25.0


def test_address_in_use_is_reported_with_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(CannotStart, match=f"LOOPLINE_WEB_BIND is {taken}"):
            check_address_is_free(taken, "LOOPLINE_WEB_BIND")
    check_address_is_free(f"127.0.0.1:{free_port()}", "LOOPLINE_WEB_BIND")


@pytest.mark.parametrize(
    ("address", "parts"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:80", ("::1", 80)), ("host:1", ("host", 1))]
)
def test_address_is_split_into_host_and_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


def test_addresses_include_the_public_dashboard_url() -> None:
    settings = Settings(dashboard_url="https://loop.acme.dev")
    assert list_addresses(settings) == {"web": "http://127.0.0.1:8700", "dashboard": "https://loop.acme.dev"}


def test_process_gets_the_environment_of_its_role_and_absolute_paths(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "LOOPLINE_HOME": "relative",
        "LOOPLINE_TEAMS": "{}",
        "ANTHROPIC_API_KEY": "sk-hush",
        "LINEAR_API_KEY": "lin-hush",
    }
    (agent,) = [one for one in list_processes(Settings(home=tmp_path), environ) if one.name == "agent-1"]
    with (tmp_path / "log").open("wb") as log:
        child = agent.start(log.fileno())
    deadline = time.monotonic() + 10
    while not (seen := Path(f"/proc/{child.pid}/environ").read_bytes().decode()) and time.monotonic() < deadline:
        time.sleep(0.01)  # empty during exec
    child.kill()
    child.wait()
    assert f"LOOPLINE_HOME={tmp_path}\0" in seen
    assert "sk-hush" in seen
    assert "lin-hush" not in seen


def test_procfile_starts_every_role_by_module() -> None:
    lines = dict(line.split(": ", 1) for line in (REPOSITORY / "Procfile").read_text().splitlines())
    assert lines.keys() == {"web", "dashboard", "worker", "agent", "clock", "egress"}
    assert all(command.startswith("python -m ") for command in lines.values())


def test_processes_start_in_the_repository() -> None:
    assert ROOT == REPOSITORY
