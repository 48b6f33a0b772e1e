"""Clock jumps, stopped processes and a Redis from a backup, on the real service. No effect is doubled."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import requests

from integrations.standins.demo.person import Ana
from tests.badday.shifted import ShiftedStack
from tests.crash.facts import OURS
from tests.crash.stack import free_ports
from tests.crash.story import says, settle

pytestmark = pytest.mark.timeout(240)
DAY, TEN_MINUTES = 86_400, 600
PATIENCE = 60.0
ONE_MERGE = {"PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge": 1}
ONE_PULL_REQUEST = {
    "POST /{owner}/{repo}.git/git-receive-pack": 1,
    "POST /repos/{owner}/{repo}/pulls": 1,
    "POST /repos/{owner}/{repo}/statuses/{sha}": 1,
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShiftedStack]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    home = tmp_path_factory.mktemp("clocks") / "home"
    settings = {"LOOPLINE_SWEEP_SECONDS": "3"}
    with ShiftedStack(home, free_ports(28_000 + 1_000 * worker), latency=0.2, extra=settings) as started:
        yield started


@dataclass(frozen=True)
class Effects:
    """Writes that Loopline's accounts made, by the logs of the stand-ins."""

    host: Counter[str]
    comments: Counter[str]

    def since(self, before: Effects) -> Effects:
        return Effects(self.host - before.host, self.comments - before.comments)


def read_effects(stack: ShiftedStack) -> Effects:
    host = Counter(entry["operation"] for entry in stack.log("github") if entry["actor"] == "loopline-bot")
    created = [e for e in stack.log("linear") if e["operation"] == "commentCreate" and e["actor"] == OURS]
    return Effects(host, Counter(entry["input"]["body"] for entry in created))


def wait_until(there: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline, f"it never came that {what}"
        time.sleep(0.1)


def wait_for_column(ana: Ana, ticket: str, column: str) -> None:
    wait_until(lambda: ana.board()[ticket]["column"] == column, f"{ticket} is in {column}")


def wait_for_run(stack: ShiftedStack) -> None:
    """Return when the model has been asked for the next time."""
    before = len(stack.log("model"))
    wait_until(lambda: len(stack.log("model")) > before, "an agent works")


def read_warnings(stack: ShiftedStack) -> str:
    return " ".join(requests.get(f"{stack.urls['web']}/readyz", timeout=5).json()["warnings"])


def merge(stack: ShiftedStack, ana: Ana, ticket: str) -> None:
    ana.say(ticket, "/approve")
    wait_until(lambda: says(ana.board()[ticket], "Approved by Ana"), f"{ticket} is approved")
    ana.say(ticket, "/merge")
    wait_for_column(ana, ticket, "Done")
    settle(stack)


@pytest.mark.long
def test_clock_jumps_change_nothing_on_board_and_code_host(stack: ShiftedStack) -> None:
    ana, before = Ana(stack), read_effects(stack)
    ana.drag("ENG-1", "Agent")
    wait_for_column(ana, "ENG-1", "In Progress")
    jumps = [TEN_MINUTES, 0, DAY]
    for number, offset in enumerate(jumps, start=1):
        wait_for_run(stack)
        stack.set_clock(offset)
        wait_until(lambda number=number: len(stack.read_log("clock jumped")) == number, "the jump is reported")
    wait_for_column(ana, "ENG-1", "In Review")
    wait_until(lambda: "ahead of the provider's" in read_warnings(stack), "the skew is shown")
    merge(stack, ana, "ENG-1")
    stack.set_clock(0)
    wait_until(lambda: len(stack.read_log("clock jumped")) == 4, "the jump back is reported")

    done = read_effects(stack).since(before)
    assert {name: done.host[name] for name in ONE_MERGE | ONE_PULL_REQUEST} == ONE_MERGE | ONE_PULL_REQUEST
    assert set(done.comments.values()) == {1}
    assert stack.read_log("unexpected error") == stack.read_log("moved to dead letters") == []


@pytest.mark.long
def test_stopped_processes_continue_without_doing_anything_twice(stack: ShiftedStack) -> None:
    ana, before = Ana(stack), read_effects(stack)
    ana.drag("ENG-3", "Agent")
    wait_for_run(stack)
    stopped = stack.freeze()
    time.sleep(12)
    stack.thaw(stopped)
    wait_for_column(ana, "ENG-3", "Needs Human")
    settle(stack)

    done = read_effects(stack).since(before)
    assert done.host == Counter()
    assert set(done.comments.values()) == {1}
    assert len(stack.read_log("processes were stopped")) == 1
    assert "was stopped for" in read_warnings(stack)
    assert stack.read_log("unexpected error") == stack.read_log("moved to dead letters") == []


@pytest.mark.long
def test_redis_from_a_backup_repeats_nothing(stack: ShiftedStack) -> None:
    ana, before = Ana(stack), read_effects(stack)
    folder, backup = stack.service_home / "redis", stack.home / "backup"
    ana.drag("ENG-2", "Agent")
    wait_for_column(ana, "ENG-2", "In Progress")
    wait_for_run(stack)
    shutil.copytree(folder, backup, ignore=shutil.ignore_patterns("*.sock", "lock"))
    wait_for_column(ana, "ENG-2", "In Review")
    settle(stack)
    finished = read_effects(stack)

    def restore() -> None:
        shutil.rmtree(folder)
        backup.rename(folder)

    stack.restart(between=restore)
    wait_until(lambda: stack.read_log("rebuilt"), "the loop is rebuilt")
    settle(stack)
    assert read_effects(stack) == finished
    assert ana.board()["ENG-2"]["column"] == "In Review"
    assert len(stack.read_log("Redis was older than the board")) == 1

    merge(stack, ana, "ENG-2")
    done = read_effects(stack).since(before)
    assert {name: done.host[name] for name in ONE_MERGE | ONE_PULL_REQUEST} == ONE_MERGE | ONE_PULL_REQUEST
    assert set(done.comments.values()) == {1}
    assert stack.read_log("unexpected error") == stack.read_log("moved to dead letters") == []
