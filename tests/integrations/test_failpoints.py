from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations import failpoints
from integrations.failpoints import FailpointError, arm, fail
from jobs.config.environment import find_problems
from tests.support.checkout import REPOSITORY

POINT = (
    "import sys; from pathlib import Path; from integrations.failpoints import arm, fail; "
    "arm(sys.argv[1], Path(sys.argv[2])); "
)


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm("", Path())


def run(
    setting: str, home: Path, code: str = "fail('git.push', 'done'); print('alive')"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", POINT + code, setting, str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_failpoint_off_does_nothing() -> None:
    assert failpoints.ARMED is None
    fail("git.push", "done")


def test_failpoint_fires_once_at_its_hit(tmp_path: Path) -> None:
    arm("git.push:done:2:raise", tmp_path)
    fail("git.push", "done")
    with pytest.raises(FailpointError, match=r"git\.push:done"):
        fail("git.push", "done")
    fail("git.push", "done")


def test_failpoint_hits_are_counted_over_restarts(tmp_path: Path) -> None:
    codes = [run("git.push:done:2:kill", tmp_path).returncode for _ in range(3)]
    assert codes == [0, -signal.SIGKILL, 0]


@pytest.mark.parametrize("other", [("git.push", "before"), ("git.fetch", "done")])
def test_failpoint_ignores_other_operations_and_phases(tmp_path: Path, other: tuple[str, failpoints.Phase]) -> None:
    arm("git.push:done:1:raise", tmp_path)
    fail(*other)


def test_failpoint_kills_the_named_process(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        (tmp_path / "up.json").write_text(json.dumps({"pid": 0, "processes": {"worker": victim.pid}}))
        assert run("git.push:done:1:kill=worker", tmp_path).stdout.endswith("alive\n")
        assert victim.wait(5) == -signal.SIGKILL


def test_failpoint_continues_a_stopped_process(tmp_path: Path) -> None:
    began = time.monotonic()
    assert run("git.push:done:1:stop=0.5", tmp_path).stdout.endswith("alive\n")
    assert time.monotonic() - began >= 0.5


def test_failpoint_enospc_raises_the_error_of_a_full_disk(tmp_path: Path) -> None:
    arm("git.push:done:1:enospc", tmp_path)
    with pytest.raises(OSError, match=os.strerror(28)):
        fail("git.push", "done")


def test_failpoint_sleep_delays(tmp_path: Path) -> None:
    arm("git.push:done:1:sleep=0.2", tmp_path)
    began = time.monotonic()
    fail("git.push", "done")
    assert time.monotonic() - began >= 0.2


def test_failpoint_trace_lists_the_points_passed(tmp_path: Path) -> None:
    arm("trace", tmp_path)
    fail("git.push", "before")
    fail("linear.MoveTicket", "sent")
    assert (tmp_path / "failpoints/trace").read_text().split() == ["git.push:before", "linear.MoveTicket:sent"]


def test_failpoints_are_called_by_boundary_modules_only() -> None:
    sources = [path for room in ("jobs", "service", "integrations") for path in (REPOSITORY / room).rglob("*.py")]
    callers = {str(path.relative_to(REPOSITORY)) for path in sources if re.search(r"\bfail\(", path.read_text())}
    assert callers == {
        "integrations/agents/anthropic/client.py",
        "integrations/code_hosts/github/api.py",
        "integrations/environments/build.py",
        "integrations/failpoints.py",
        "integrations/git/base_trees.py",
        "integrations/git/layers.py",
        "integrations/git/repository.py",
        "integrations/notifications.py",
        "integrations/sandbox/session.py",
        "integrations/trackers/linear/client.py",
        "jobs/effects/connector_calls.py",
        "jobs/inbox/journal.py",
        "jobs/runtime/queues.py",
        "jobs/runtime/scripts.py",
        "jobs/store/runs.py",
        "service/web/spool.py",
    }


@pytest.mark.parametrize(
    "wrong", ["git.push", "git.push:done:0:kill", "git.push:later:1:kill", "git.push:done:1:explode", "a:done:1:stop"]
)
def test_failpoint_setting_of_another_form_is_a_problem(wrong: str) -> None:
    assert "LOOPLINE_FAILPOINT" in find_problems("clock", {"LOOPLINE_FAILPOINT": wrong})[0]
    assert find_problems("clock", {"LOOPLINE_FAILPOINT": "git.push:done:1:kill=agent-1"}) == []
