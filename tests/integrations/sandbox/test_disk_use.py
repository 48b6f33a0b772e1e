"""Commands that fill the disk of the service: one run must never take the space of Redis and the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.disk import read_disk
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.sandbox.limits import OVER_LIMIT, STOPPED
from tests.crash.disk import replay_in_namespace, small_disk
from tests.support.workspaces import create_plain

MIB = 2**20


@pytest.mark.parametrize(
    "script",
    [
        "dd if=/dev/zero of=big bs=1M count=500; sleep 60",
        "for i in $(seq 500); do dd if=/dev/zero of=part$i bs=1M count=1 status=none; sleep 0.01; done; sleep 60",
        "mkdir d; for i in $(seq 9000); do echo > d/$i; done; sleep 60",
    ],
    ids=["one file", "many files", "inodes"],
)
def test_command_that_fills_the_disk_is_killed_and_its_files_are_removed(
    script: str, tmp_path: Path, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=100, inodes=5000) as disk:
        workspace = create_plain(disk.folder)
        (workspace.upper / "source.py").write_text("x = 1\n")
        result = sandbox.run(["bash", "-c", script], workspace, timeout=20)
        assert result.exit_code == OVER_LIMIT and "left for runs" in result.note
        assert read_disk(disk.folder).level == "fine"
        assert (workspace.upper / "source.py").read_text() == "x = 1\n"


def test_command_that_is_stopped_by_a_full_disk_keeps_its_files(
    tmp_path: Path, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    """Files of a command that did not fill the disk itself."""
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=100) as disk:
        workspace = create_plain(disk.folder)
        script = "echo edited > source.py; touch began; sleep 60"

        def fill() -> bool:
            if (workspace.upper / "began").exists():
                disk.fill()
            return read_disk(disk.folder).level == "full"

        result = sandbox.run(["bash", "-c", script], workspace, timeout=20, stopped=fill)
        assert result.exit_code == STOPPED and result.stopped
        assert (workspace.upper / "source.py").read_text() == "edited\n"


def test_command_that_fails_while_the_run_is_stopped_counts_as_stopped(
    tmp_path: Path, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=100) as disk:
        workspace = create_plain(disk.folder)
        disk.fill()
        result = sandbox.run(["bash", "-c", "rm missing"], workspace, timeout=20, stopped=lambda: True)
        assert result.exit_code == STOPPED and result.stopped


def test_command_that_fails_on_a_full_disk_is_no_evidence(
    tmp_path: Path, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    """It counts as stopped, so the gate runs it again."""
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=100) as disk:
        workspace = create_plain(disk.folder)
        disk.fill(leave=8192)

        def is_full() -> bool:
            return (workspace.upper / "small").exists() and read_disk(disk.folder).level == "full"

        script = "dd if=/dev/zero of=small bs=64k count=1"
        result = sandbox.run(["bash", "-c", script], workspace, timeout=20, stopped=is_full)
        assert result.stopped, result.output


def test_command_cannot_exceed_the_budget_of_runs(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=100) as disk:
        workspace = create_plain(disk.folder)
        sandbox = Sandbox(find_bwrap(), default_read_only(), room=lambda: 10 * MIB)
        script = "for i in $(seq 30); do dd if=/dev/zero of=part$i bs=1M count=1 status=none; sleep 0.05; done"
        result = sandbox.run(["bash", "-c", script], workspace, timeout=20)
        assert result.exit_code == OVER_LIMIT and "more than the 10 MiB left for runs" in result.note
        assert sandbox.run(["bash", "-c", "echo fine > x"], workspace, timeout=20).exit_code == 0
