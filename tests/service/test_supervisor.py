from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.disk import replay_in_namespace, small_disk
from tests.service.conftest import until
from tests.support.checkout import REPOSITORY

NAMES = ("first", "second", "third")


class Up:
    """A running small `loopline up`."""

    def __init__(self, home: Path, behaviour: str) -> None:
        self.home = home
        self.errors = home.with_name(f"{home.name}.errors")
        command = [sys.executable, "-m", "tests.service.small_up", str(home), behaviour]
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=errors, stderr=subprocess.STDOUT)

    @property
    def state(self) -> dict[str, Any]:
        file = self.home / "up.json"
        return dict(json.loads(file.read_text())) if file.exists() else {"processes": {}}

    def pids(self) -> dict[str, int]:
        return {name: pid for name, pid in self.state["processes"].items() if pid}

    def all_up(self) -> bool:
        return len(self.pids()) == 3 and all((self.home / f"{name}.ready").exists() for name in NAMES)

    def ended(self) -> list[str]:
        return (self.home / "ended").read_text().split()

    def log(self, name: str) -> str:
        """A child's log; the supervisor creates the file with the child's first output."""
        file = self.home / f"logs/{name}.log"
        return file.read_text() if file.exists() else ""

    def starts(self, name: str) -> int:
        return len(re.findall("started|crashing", self.log(name)))


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[[str], Up]]:
    running: list[Up] = []

    def start(behaviour: str = "polite") -> Up:
        running.append(Up(tmp_path, behaviour))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.wait()


def test_supervisor_starts_all_processes_and_writes_the_state_file(up: Callable[..., Up]) -> None:
    one = up()
    until(one.all_up)
    assert all(map(is_alive, one.pids().values()))
    assert one.state["pid"] == one.process.pid
    assert one.state["web"] == "http://x"


def test_supervisor_starts_a_process_when_the_previous_one_is_ready(up: Callable[..., Up]) -> None:
    one = up()
    until(one.all_up)
    first, *others = [(one.home / f"{name}.ready").stat().st_mtime_ns for name in NAMES]
    assert first < min(others)


def test_supervisor_restarts_a_killed_child(up: Callable[..., Up]) -> None:
    one = up()
    until(one.all_up)
    before = one.pids()
    os.kill(before["second"], signal.SIGKILL)
    until(lambda: one.pids().get("second", before["second"]) != before["second"])
    assert one.pids() | {"second": 0} == before | {"second": 0}
    until(lambda: one.starts("second") == 2)


def test_supervisor_restarts_a_crashing_child_with_backoff(up: Callable[..., Up]) -> None:
    one = up("crashing")
    until(lambda: (one.home / "third.ready").exists())
    until(lambda: one.starts("second") >= 3)
    log = one.errors.read_text()
    assert [int(n) for n in re.findall(r"failures\W+(\d)", log)][:2] == [1, 2]
    assert "output=crashing" in log


def test_supervisor_stops_with_the_reason_when_a_child_refuses_to_start(up: Callable[..., Up]) -> None:
    one = up("refusing")
    assert one.process.wait(20) == 1
    assert "second refused to start: MISSING_SETTING is empty." in one.errors.read_text()
    assert one.ended()[-1] == "first"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_supervisor_stops_all_processes_in_order(up: Callable[..., Up], number: signal.Signals) -> None:
    one = up()
    until(one.all_up)
    pids = one.pids()
    one.process.send_signal(number)
    assert one.process.wait(20) == 0
    assert one.ended() == ["second", "third", "first"]
    assert not any(map(is_alive, pids.values()))
    assert not (one.home / "up.json").exists()


def test_supervisor_kills_a_child_after_its_grace_period(up: Callable[..., Up]) -> None:
    one = up("stubborn")
    until(one.all_up)
    pids = one.pids()
    one.process.terminate()
    assert one.process.wait(20) == 0
    assert one.ended()[0] == "second"
    assert not any(map(is_alive, pids.values()))


def test_supervisor_children_die_with_a_killed_supervisor(up: Callable[..., Up]) -> None:
    one = up()
    until(one.all_up)
    pids = one.pids().values()
    one.process.kill()
    until(lambda: not any(map(is_alive, pids)), 5)


def test_supervisor_kills_the_process_group_of_a_dead_child(up: Callable[..., Up]) -> None:
    one = up("parent")
    until(one.all_up)
    group = one.pids()["second"]
    os.kill(group, signal.SIGKILL)
    until(lambda: one.pids().get("second", group) != group)
    with pytest.raises(ProcessLookupError):
        until(lambda: os.killpg(group, 0))


def test_supervisor_refuses_a_second_one_on_the_same_home(up: Callable[..., Up]) -> None:
    one = up()
    until(one.all_up)
    second = Up(one.home, "polite")
    assert second.process.wait(20) == 1
    assert "already runs" in second.errors.read_text()
    assert all(map(is_alive, one.pids().values()))


def test_supervisor_restarts_children_after_file_descriptors_were_used_up(up: Callable[..., Up]) -> None:
    one = up()
    until(one.all_up)
    before = one.pids()
    pid = one.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    os.kill(before["second"], signal.SIGKILL)
    until(lambda: "Too many open files" in one.errors.read_text())
    assert one.process.poll() is None
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: one.pids().get("second", before["second"]) != before["second"])
    assert one.pids() | {"second": 0} == before | {"second": 0}


def test_supervisor_keeps_running_without_its_state_file_and_writes_it_later(up: Callable[..., Up]) -> None:
    one = up()
    until(one.all_up)
    before = one.pids()
    (one.home / "up.json.new").mkdir()
    os.kill(before["second"], signal.SIGKILL)
    until(lambda: one.starts("second") == 2)
    assert one.pids() == before
    (one.home / "up.json.new").rmdir()
    until(lambda: one.pids().get("second", before["second"]) != before["second"])
    until(lambda: "up.json is written again" in one.errors.read_text())
    log = one.errors.read_text()
    assert log.count("up.json cannot be written") == log.count("up.json is written again") == 1


def test_supervisor_on_a_full_disk_starts_and_logs_once_there_is_space(
    tmp_path: Path, up: Callable[..., Up], request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path, megabytes=2) as disk:
        disk.fill()
        one = up()
        until(lambda: (one.home / "third.ready").exists())
        disk.free()
        until(one.all_up)
        os.kill(one.pids()["second"], signal.SIGKILL)
        until(lambda: "started" in one.log("second"))
        one.process.terminate()
        assert one.process.wait(20) == 0


def test_supervisor_refuses_a_home_without_inodes_in_one_sentence(
    tmp_path: Path, up: Callable[..., Up], request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path, megabytes=2, inodes=50) as disk:
        disk.use_up_inodes()
        one = up()
        assert one.process.wait(20) == 1
        assert f"LOOPLINE_HOME, {tmp_path}, cannot be written to: No space left on device." in one.errors.read_text()
