"""The real service on a small disk: full, without inodes, nearly full, and full at the start."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.demo.person import Ana
from integrations.standins.demo.story import memory
from tests.crash.disk import SmallDisk, replay_in_namespace, small_disk
from tests.crash.driver import stragglers
from tests.crash.stack import FragileStack, free_ports
from tests.crash.story import says, settle
from tests.service.conftest import moved, signed_by_github, signed_by_linear

pytestmark = pytest.mark.timeout(240)
PATIENCE = 60.0


class Day:
    """One stack on a small disk, and how often its webhook endpoint answered with which status."""

    def __init__(self, stack: FragileStack, disk: SmallDisk) -> None:
        self.stack, self.disk, self.ana = stack, disk, Ana(stack)
        self.answers: Counter[int] = Counter()

    @property
    def supervisor(self) -> int:
        return next(process.pid for name, process in self.stack._processes if name == "service")

    def pid(self, process: str) -> int:
        state = json.loads((self.stack.service_home / "up.json").read_text())
        return int(state["processes"][process] or 0)

    def readyz(self) -> dict[str, Any]:
        answer = requests.get(f"{self.stack.urls['web']}/readyz", timeout=10)
        assert answer.status_code in (200, 503)
        return dict(answer.json()["failing"])

    def is_answering(self) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.stack.urls['web']}/healthz", timeout=10).ok
        return False

    def send_webhooks(self) -> None:
        """One delivery of each source, which has to be stored, or refused so that the sender retries."""
        body = moved("a stranger")
        for name, sign in (("linear", signed_by_linear), ("github", signed_by_github)):
            headers = sign(body, self.stack.tokens[f"{name}_webhook"])
            answer = requests.post(f"{self.stack.urls['web']}/webhooks/{name}", body, headers=headers, timeout=10)
            self.answers[answer.status_code] += 1
            assert answer.status_code == 200 or (answer.status_code == 503 and answer.headers["Retry-After"])

    def dashboard(self) -> str:
        headers = {"Authorization": f"Bearer {self.stack.tokens['dashboard']}"}
        return requests.get(self.stack.urls["dashboard"], headers=headers, timeout=10).text

    def column(self, identifier: str) -> str:
        return str(self.ana.board()[identifier]["column"])

    def run_is_at_work(self) -> bool:
        with self.stack.redis() as redis:
            return any(redis.scan_iter("transcript:*"))


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def start(home: Path) -> FragileStack:
    return FragileStack(home, ports(), latency=0.1, extra={"LOOPLINE_SWEEP_SECONDS": "3"})


def ports() -> int:
    return free_ports(31_000)  # below the ports that the kernel gives to clients


def count_effects(stack: FragileStack) -> Counter[str]:
    return Counter(entry["operation"] for entry in stack.log("github") if entry["actor"] == "loopline-bot")


@pytest.mark.long
def test_disk_full_in_mid_run_pauses_the_work_and_loses_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    home = tmp_path / "stack"
    with small_disk(home / "service") as disk, start(home) as stack:
        assert isinstance(stack, FragileStack)
        day = Day(stack, disk)
        _new_runs_wait_on_a_nearly_full_disk(day)
        _a_full_disk_pauses_everything(day)
        _exhausted_inodes_are_reported(day)
        _a_read_only_disk_is_survived(day)
        until(lambda: day.column("ENG-1") == "In Review")
        settle(stack)
        _nothing_is_lost_or_doubled(day)
    assert stragglers(home) == []


def _new_runs_wait_on_a_nearly_full_disk(day: Day) -> None:
    day.disk.fill_to(0.93)
    day.ana.drag("ENG-1", "Agent")
    until(lambda: says(day.ana.board()["ENG-1"], "no new run starts until it is below 90 %"))
    assert "no new run starts" in day.readyz()["disk"] and str(day.disk.folder) in day.readyz()["disk"]
    assert "no new run starts" in day.dashboard()
    assert not day.run_is_at_work()
    day.disk.free()
    until(day.run_is_at_work)


def _a_full_disk_pauses_everything(day: Day) -> None:
    supervisor = day.supervisor
    day.disk.fill()
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        day.send_webhooks()
        assert "runs, fetches and the journal are paused" in day.readyz()["disk"]
        assert "% full" in day.dashboard()
        time.sleep(0.2)
    day.ana.say("ENG-1", "Please keep it short.")
    assert day.supervisor == supervisor
    day.disk.free()
    until(lambda: day.readyz() == {})
    assert day.supervisor == supervisor


def _exhausted_inodes_are_reported(day: Day) -> None:
    day.disk.use_up_inodes()
    for _ in range(10):
        day.send_webhooks()
        assert "inodes" in day.readyz()["disk"]
    day.disk.free()
    until(lambda: day.readyz() == {})


def _a_read_only_disk_is_survived(day: Day) -> None:
    """Processes that end meanwhile return afterwards."""
    agent, supervisor = day.pid("agent-1"), day.supervisor
    with day.disk.read_only():
        os.kill(agent, signal.SIGKILL)
        until(lambda: "cannot be written to (Read-only file system)" in day.readyz()["disk"], 5)
        ends = time.monotonic() + 4
        while time.monotonic() < ends:
            day.send_webhooks()
            time.sleep(0.2)
    until(lambda: day.pid("agent-1") not in (agent, 0))
    until(lambda: day.readyz() == {})
    assert day.supervisor == supervisor


def _nothing_is_lost_or_doubled(day: Day) -> None:
    ticket = day.ana.board()["ENG-1"]
    heads = Counter(comment["body"][:12] for comment in ticket["comments"] if (comment["user"] or {}).get("app"))
    assert [head for head, times in heads.items() if times > 1] == []
    assert count_effects(day.stack)["POST /repos/{owner}/{repo}/pulls"] <= 1
    assert len(day.ana.pull_requests()) == 1
    assert memory(ticket)["attempt"] == 1
    assert day.answers.keys() <= {200, 503} and day.answers[200] > 0
    assert all((day.disk.folder / "logs" / f"{name}.log").read_text() for name in ("web", "worker", "agent-1", "clock"))


class UnreadyStack(FragileStack):
    """A stack whose service does not get ready."""

    def _await(self, name: str, url: str) -> None:
        """Nothing to wait for."""


@pytest.mark.long
def test_disk_full_at_the_start_waits_for_space(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    home = tmp_path / "stack"
    with small_disk(home / "service") as disk:
        disk.fill()
        with UnreadyStack(home, ports()) as stack:
            assert isinstance(stack, FragileStack)
            day = Day(stack, disk)
            until(day.is_answering)
            supervisor = day.supervisor
            for _ in range(20):
                day.send_webhooks()
                assert "% full" in day.readyz()["disk"]
                time.sleep(0.2)
            assert day.supervisor == supervisor
            disk.free()
            until(lambda: day.readyz() == {})
            assert day.supervisor == supervisor
    assert stragglers(home) == []
