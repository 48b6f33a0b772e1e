from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import free_port, until
from tests.service.loopline import ENOUGH
from tests.support.checkout import REPOSITORY

NAMES = {"redis", "web", "dashboard", "egress", "worker", "agent-1", "clock"}


class Up:
    """`loopline up` as an operator starts it, with unavailable providers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        environ = ENOUGH | {
            "LOOPLINE_HOME": str(home),
            "LOOPLINE_WEB_BIND": f"127.0.0.1:{self.port}",
            "LOOPLINE_DASHBOARD_BIND": f"127.0.0.1:{free_port()}",
        }
        command = [sys.executable, "-m", "service", "up", "--env-file", "none", "--verbose"]
        with (home.parent / "up.log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environ, cwd=REPOSITORY, stdout=log, stderr=log)

    def pids(self) -> dict[str, int]:
        try:
            processes = json.loads((self.home / "up.json").read_text())["processes"]
        except FileNotFoundError:
            return {}
        return {name: pid for name, pid in processes.items() if pid}

    def readiness(self) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return dict(json.loads(connection.getresponse().read()))
        except (OSError, HTTPException):
            return {"ok": False}
        finally:
            connection.close()


def descendants(pid: int) -> set[int]:
    """The process and all its descendants, from /proc."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    one = Up(tmp_path / "home")
    try:
        until(lambda: one.readiness()["ok"], 60)
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def test_up_starts_all_processes_restarts_a_killed_one_and_stops_all(up: Up) -> None:
    assert up.pids().keys() == NAMES
    worker = up.pids()["worker"]
    os.kill(worker, signal.SIGKILL)
    until(lambda: up.pids().get("worker", worker) != worker)
    until(lambda: up.readiness()["ok"], 60)
    family = descendants(up.process.pid)
    up.process.terminate()
    assert up.process.wait(60) == 0
    assert not any(map(is_alive, family))


def test_up_leaves_no_process_after_a_kill(up: Up) -> None:
    family = descendants(up.process.pid)
    assert len(family) > len(NAMES)
    up.process.kill()
    up.process.wait()
    until(lambda: not any(map(is_alive, family)), 10)
