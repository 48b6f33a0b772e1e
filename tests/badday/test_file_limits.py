"""The real service without free file descriptors: nothing ends for good, and the work continues afterwards."""

from __future__ import annotations

import json
import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from integrations.standins.demo.story import memory
from tests.badday.test_disk_full import Day, ports, until
from tests.crash.disk import SmallDisk
from tests.crash.driver import stragglers
from tests.crash.stack import FragileStack
from tests.crash.story import settle

pytestmark = pytest.mark.timeout(240)
STARVED_SECONDS = 8.0


def list_processes(day: Day) -> Iterator[int]:
    """The supervisor, its processes, and their children; not Redis, which sets its own limit."""
    state = json.loads((day.stack.service_home / "up.json").read_text())
    pids = [pid for name, pid in state["processes"].items() if name != "redis"]
    yield from (state["pid"], *pids)
    for pid in pids:
        yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@contextmanager
def starved(day: Day) -> Iterator[None]:
    """No process of the service can open another file, socket or pipe."""
    pids = list(list_processes(day))
    before = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    try:
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
        yield
    finally:
        for pid, limits in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


@pytest.mark.long
def test_file_descriptors_that_are_used_up_in_mid_run_delay_the_work_only(tmp_path: Path) -> None:
    home = tmp_path / "stack"
    stack = FragileStack(home, ports(), latency=0.1, extra={"LOOPLINE_SWEEP_SECONDS": "3"})
    with stack:
        day = Day(stack, SmallDisk(stack.service_home))
        supervisor = day.supervisor
        day.ana.drag("ENG-1", "Agent")
        until(day.run_is_at_work)
        with starved(day):
            time.sleep(STARVED_SECONDS)
            os.kill(day.supervisor, 0)
        until(lambda: day.readyz() == {})
        until(lambda: day.column("ENG-1") == "In Review")
        settle(stack)
        assert day.supervisor == supervisor
        ticket = day.ana.board()["ENG-1"]
        heads = Counter(comment["body"][:12] for comment in ticket["comments"] if (comment["user"] or {}).get("app"))
        assert max(heads.values()) == 1 and memory(ticket)["attempt"] == 1
        assert len(day.ana.pull_requests()) == 1
    assert stragglers(home) == []
