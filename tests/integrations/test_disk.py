from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from integrations.disk import Disk, DiskMonitor, compute_allowance, is_exhausted, pause_when_exhausted, read_disk
from tests.crash.disk import replay_in_namespace, small_disk

HOME = Path("/srv/loopline")
MIB = 2**20


@pytest.mark.parametrize(
    ("disk", "level"),
    [
        (Disk(HOME, space=0.899), "fine"),
        (Disk(HOME, space=0.90), "nearly full"),
        (Disk(HOME, inodes=0.95), "nearly full"),
        (Disk(HOME, space=0.97), "full"),
        (Disk(HOME, space=0.1, inodes=0.98), "full"),
        (Disk(HOME, failure="Read-only file system"), "full"),
    ],
    ids=["below 90 %", "at 90 %", "inodes at 95 %", "at 97 %", "inodes at 98 %", "read-only"],
)
def test_disk_level_follows_the_scarcest_resource(disk: Disk, level: str) -> None:
    assert disk.level == level
    assert bool(disk.sentence) == (level != "fine")


@pytest.mark.parametrize(
    ("disk", "parts"),
    [
        (Disk(HOME, space=0.934), ("is 93 % full: no new run starts until it is below 90 %", "Free space")),
        (Disk(HOME, inodes=0.99), ("99 % of its inodes in use: runs", "until it is below 97 %", "Delete files")),
        (Disk(HOME, space=0.2, failure="Disk quota exceeded"), ("cannot be written to (Disk quota exceeded)", "quota")),
        (Disk(HOME, space=1.0, failure="No space left on device"), ("is 100 % full", "Free space")),
    ],
)  # fmt: skip
def test_disk_sentence_names_folder_cause_pause_and_fix(disk: Disk, parts: tuple[str, ...]) -> None:
    assert all(part in disk.sentence for part in (str(HOME), *parts)), disk.sentence


def test_disk_without_the_folder_is_that_of_its_parent(tmp_path: Path) -> None:
    assert read_disk(tmp_path / "a" / "b").space == pytest.approx(read_disk(tmp_path).space, abs=0.01)
    assert list(tmp_path.iterdir()) == []


def test_disk_is_read_while_it_fills_runs_out_of_inodes_and_is_read_only(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=10, inodes=500) as disk:
        assert read_disk(disk.folder).level == "fine"
        disk.fill_to(0.93)
        assert read_disk(disk.folder).level == "nearly full"
        disk.fill()
        full = read_disk(disk.folder)
        assert (full.level, full.failure) == ("full", "No space left on device")
        disk.free()
        disk.use_up_inodes()
        assert "inodes" in read_disk(disk.folder).sentence
        disk.free()
        subprocess.run(["mount", "-o", "remount,ro", disk.folder], check=True)
        assert "Read-only file system" in read_disk(disk.folder).sentence
        subprocess.run(["mount", "-o", "remount,rw", disk.folder], check=True)
        assert read_disk(disk.folder).level == "fine"


def test_disk_monitor_reads_again_soon(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=10) as disk:
        monitor = DiskMonitor(disk.folder)
        assert not monitor.is_full()
        disk.fill()
        for _ in range(1000):
            if monitor.is_full():
                break
            os.sched_yield()
            subprocess.run(["sleep", "0.01"], check=True)
        assert monitor.is_full()


def test_disk_allowance_leaves_a_margin_for_redis(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=100) as disk:
        assert compute_allowance(disk.folder) == pytest.approx(96 * MIB, abs=MIB)
        disk.fill()
        assert compute_allowance(disk.folder) == MIB


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE])
def test_exhausted_machine_pauses_the_work(number: int) -> None:
    error = OSError(number, os.strerror(number), "/srv/loopline/runs/x")
    paused = pause_when_exhausted(error)
    assert paused and os.strerror(number) in str(paused) and paused.retry_after


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "x"), PermissionError(errno.EACCES, "x"), ValueError()]
)
def test_other_errors_are_not_the_machines(error: Exception) -> None:
    assert not is_exhausted(error)
    assert pause_when_exhausted(error) is None


def test_exhausted_machine_is_found_in_the_errors_of_a_copied_tree(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(bytes(MIB))
    with small_disk(tmp_path / "disk", megabytes=10) as disk:
        (disk.folder / "copy").mkdir()
        disk.fill()
        with pytest.raises(OSError) as caught:
            shutil.copytree(tmp_path / "tree", disk.folder / "copy", dirs_exist_ok=True)
    assert is_exhausted(caught.value)
