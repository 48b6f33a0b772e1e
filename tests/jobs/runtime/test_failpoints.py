from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.config.environment import problems
from jobs.runtime import failpoints
from jobs.runtime.failpoints import Tripped, arm, fail

POINT = (
    "import sys; from pathlib import Path; from jobs.runtime.failpoints import arm, fail; "
    "arm(sys.argv[1], Path(sys.argv[2])); "
)


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm("", Path())


def run(
    setting: str, home: Path, code: str = "fail('push', 'done'); print('alive')"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", POINT + code, setting, str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_off_it_does_nothing() -> None:
    assert failpoints.ARMED is None
    fail("push", "done")


def test_it_fires_at_its_hit_and_never_again(tmp_path: Path) -> None:
    arm("push:done:2:raise", tmp_path)
    fail("push", "done")
    with pytest.raises(Tripped, match="push:done"):
        fail("push", "done")
    fail("push", "done")


def test_hits_are_counted_over_restarts(tmp_path: Path) -> None:
    codes = [run("push:done:2:kill", tmp_path).returncode for _ in range(3)]
    assert codes == [0, -signal.SIGKILL, 0]


@pytest.mark.parametrize("other", [("push", "before"), ("pull", "done")])
def test_another_step_or_phase_is_not_meant(tmp_path: Path, other: tuple[str, failpoints.Phase]) -> None:
    arm("push:done:1:raise", tmp_path)
    fail(*other)


def test_a_named_process_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as victim:
        (tmp_path / "up.json").write_text(json.dumps({"pid": 0, "processes": {"worker": victim.pid}}))
        assert run("push:done:1:kill=worker", tmp_path).stdout.endswith("alive\n")
        assert victim.wait(5) == -signal.SIGKILL


def test_a_stopped_process_goes_on(tmp_path: Path) -> None:
    began = time.monotonic()
    assert run("push:done:1:stop=0.5", tmp_path).stdout.endswith("alive\n")
    assert time.monotonic() - began >= 0.5


def test_a_full_disk_looks_like_one(tmp_path: Path) -> None:
    arm("push:done:1:enospc", tmp_path)
    with pytest.raises(OSError, match=os.strerror(28)):
        fail("push", "done")


def test_sleep_only_takes_time(tmp_path: Path) -> None:
    arm("push:done:1:sleep=0.2", tmp_path)
    began = time.monotonic()
    fail("push", "done")
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(
    "wrong", ["push", "push:done:0:kill", "push:later:1:kill", "push:done:1:explode", "a:done:1:stop"]
)
def test_a_setting_of_another_form_stops_the_start(wrong: str) -> None:
    assert "LOOPLINE_FAILPOINT" in problems("clock", {"LOOPLINE_FAILPOINT": wrong})[0]
    assert problems("clock", {"LOOPLINE_FAILPOINT": "push:done:1:kill=agent-1"}) == []
