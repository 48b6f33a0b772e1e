from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integrations.sandbox.leftovers import kill_sandboxes


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process that waits forever, with the given program name and arguments."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [program, "-c", "read -r _", *arguments]
        started.append(subprocess.Popen(command, executable="/bin/sh", stdin=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_leftover_sandboxes_of_a_run_are_killed_and_no_others(
    waiting: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    run = tmp_path / "run-1"
    left, tree = waiting("bwrap", str(run)), waiting("/opt/bin/bwrap", "--bind", f"{run}/tree", "/work")
    others = [waiting("bwrap", f"{run}0/tree"), waiting("editor", str(run))]

    kill_sandboxes(run)

    assert [process.wait(5) for process in (left, tree)] == [-9, -9]
    assert [process.poll() for process in others] == [None, None]
