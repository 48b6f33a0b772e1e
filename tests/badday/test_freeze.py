"""The freeze switch on the whole service, as processes: by a file alone, through a restart and the loss of Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import ROOT, Stack
from tests.journeys.conftest import free_ports

pytestmark = pytest.mark.timeout(240)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def loopline(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *arguments, "--env-file", os.devnull]
    return subprocess.run(command, env=stack.settings(), cwd=ROOT, capture_output=True, text=True, timeout=60)


def readyz(stack: Stack) -> dict[str, Any]:
    try:
        found: dict[str, Any] = requests.get(f"{stack.urls['web']}/readyz", timeout=5).json()
    except requests.RequestException:
        return {}
    return found


def count_effects(stack: Stack) -> tuple[int, int]:
    """Writes by Loopline on board and code host, and model calls."""
    own = ("loopline-bot", requests.post(
        f"{stack.urls['board']}/graphql", json={"query": "{viewer{id}}"},
        headers={"Authorization": stack.tokens["linear_app"]}, timeout=5,
    ).json()["data"]["viewer"]["id"])  # fmt: skip
    logs = [requests.get(f"{stack.urls[name]}/_log", timeout=5).json() for name in ("board", "pull_requests")]
    calls = requests.get(f"{stack.urls['model']}/_log", timeout=5).json()
    return len([entry for log in logs for entry in log if entry["actor"] in own]), len(calls)


def list_sandboxes() -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "bwrap" in line]


@pytest.mark.long
def test_freeze_by_a_file_holds_through_restart_and_loss_of_redis_and_the_thaw_continues(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "demo", free_ports(), latency=0.4)
    home = stack.home / "service"
    with stack:
        ana = Ana(stack)
        ana.drag("ENG-1", "Agent")
        until(lambda: count_effects(stack)[1] >= 3)

        (home / "freeze").touch()
        time.sleep(1.0)
        effects = count_effects(stack)
        until(lambda: str(home) not in "\n".join(list_sandboxes()), seconds=4.0)
        state = until(lambda: readyz(stack) if readyz(stack).get("state") == "frozen" else None)
        assert state["ok"] and "a file on" in state["frozen"]["by"]
        assert "Loopline is frozen since" in loopline(stack, "status").stdout
        password = {"Authorization": f"Bearer {stack.tokens['dashboard']}"}
        assert "Loopline is frozen since" in requests.get(stack.urls["dashboard"], headers=password, timeout=10).text
        ana.say("ENG-1", "Please keep it short.")
        ana.drag("ENG-2", "Agent")
        time.sleep(3.0)
        assert count_effects(stack) == effects, "nothing after the first second"

        (service,) = [process for name, process in stack._processes if name == "service"]
        service.terminate()
        service.wait(30)
        for file in (home / "redis").glob("appendonlydir/*"):
            file.unlink()  # Redis is lost
        stack._spawn("service", [sys.executable, "-m", "service", "up", "--env-file", os.devnull], stack.settings())
        until(lambda: readyz(stack).get("state") == "frozen")
        ana.drag("ENG-3", "Agent")
        time.sleep(2.0)
        assert count_effects(stack) == effects, "frozen after the restart, too"

        assert "Thawed" in loopline(stack, "thaw").stdout
        until(lambda: readyz(stack).get("state") == "fine")
        until(lambda: ana.board()["ENG-1"]["column"] == "In Review", seconds=120)
        bodies = [comment["body"] for comment in ana.board()["ENG-1"]["comments"]]
        assert len([body for body in bodies if "Verdict: done" in body]) == 1
        until(lambda: len(ana.pull_requests()) == 2, seconds=120)
        until(lambda: ana.board()["ENG-3"]["column"] == "Needs Human", seconds=60)
