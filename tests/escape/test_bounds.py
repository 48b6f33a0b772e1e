"""Attacks on the bounds of a sandbox: memory, disk, user. Each reached its goal before the control existed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Limits, Sandbox, default_read_only, find_bwrap
from integrations.sandbox.identity import find_user
from integrations.sandbox.passage import plan_mounts
from integrations.sandbox.usage import check_process_limits, measure_deleted
from tests.integrations.sandbox.conftest import Run, plain, python, run, sandbox

__all__ = ["plain", "python", "run", "sandbox"]

MIB = 2**20
SHARED = """
import mmap
maps = [mmap.mmap(-1, 40 << 20) for _ in range(6)]
for one in maps:
    for at in range(0, len(one), 4096): one[at] = 1
"""
MEMFD = """
import os
files = [os.memfd_create("x") for _ in range(6)]
for one in files:
    for _ in range(40): os.write(one, bytes(1 << 20))
"""
DELETED = """
import os
files = [open(f"f{number}", "wb") for number in range(6)]
for number, one in enumerate(files):
    os.unlink(f"f{number}")
    for _ in range(40): one.write(bytes(1 << 20))
    one.flush()
"""
MAPPED = """
import mmap, os
maps = []
for number in range(6):
    file = os.open(f"f{number}", os.O_RDWR | os.O_CREAT)
    os.unlink(f"f{number}")
    os.truncate(file, 40 << 20)
    maps.append(mmap.mmap(file, 40 << 20))
    os.close(file)
    for at in range(0, 40 << 20, 4096): maps[-1][at] = 1
"""
WAIT = "\nimport time\nprint('reached', flush=True)\ntime.sleep(20)"


@pytest.mark.parametrize("attack", [SHARED, MEMFD], ids=["shared pages", "memfd"])
def test_memory_that_is_shared_counts(plain: Workspace, attack: str) -> None:
    box = Sandbox(find_bwrap(), default_read_only(), Limits(memory=100 * MIB))
    result = box.run(["python3", "-c", attack + WAIT], plain, timeout=60)
    assert result.note == "the command was killed because it used more than 100 MiB of memory"


@pytest.mark.parametrize("attack", [SHARED, MEMFD], ids=["shared pages", "memfd"])
def test_memory_that_is_shared_counts_where_limits_are_polled(sandbox: Sandbox, plain: Workspace, attack: str) -> None:
    reason = observe(sandbox, plain, attack, lambda pid: check_process_limits(pid, Limits(memory=100 * MIB)))
    assert reason == "the command was killed because it used more than 100 MiB of memory"


@pytest.mark.parametrize("attack", [DELETED, MAPPED], ids=["open", "mapped"])
def test_disk_space_of_deleted_files_counts(plain: Workspace, attack: str) -> None:
    box = Sandbox(find_bwrap(), default_read_only(), Limits(tree=100 * MIB))
    result = box.run(["python3", "-c", attack + WAIT], plain, timeout=60)
    assert "more than the 100 MiB allowed" in result.note


def test_disk_space_of_memory_files_does_not_count(sandbox: Sandbox, plain: Workspace) -> None:
    def check(pid: int) -> str:
        return "over" if check_process_limits(pid, Limits(memory=100 * MIB)) and not measure_deleted(pid) else ""

    assert observe(sandbox, plain, MEMFD, check) == "over"


def observe(sandbox: Sandbox, workspace: Workspace, attack: str, check: object) -> object:
    """The first result of `check` for the sandbox's process 1 that is not empty, while the attack runs."""
    assert callable(check)
    stop = threading.Event()
    with sandbox.open(workspace) as session:
        session.run(["true"], timeout=30)
        assert session._running
        pid = session._running.first_pid
        argv = ["python3", "-c", attack + WAIT]
        thread = threading.Thread(target=lambda: session.run(argv, timeout=60, stopped=stop.is_set))
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not (found := check(pid)) and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            stop.set()
            thread.join()
    return found


def test_system_v_segments_are_small(python: Run) -> None:
    script = "import ctypes; shmget = ctypes.CDLL(None).shmget; print(shmget(0, {}, 0o1600) >= 0)"
    assert python(script.format(65536)).output == b"True\n"
    assert python(script.format(65537)).output == b"False\n"
    assert python(script.format("ctypes.c_size_t(2**32)")).output == b"False\n"


def test_process_1_cannot_be_traced_or_read(python: Run) -> None:
    script = """
import ctypes, os
print(ctypes.CDLL(None).ptrace(16, 1, None, None))
for name in ("mem", "environ", "fd"):
    try:
        os.listdir("/proc/1/fd") if name == "fd" else open(f"/proc/1/{name}", "rb+" if name == "mem" else "rb").read(1)
        print("reached", name)
    except OSError: print("blocked", name)
"""
    assert python(script).output.decode().split() == ["-1", "blocked", "mem", "blocked", "environ", "blocked", "fd"]


def test_process_gives_way_to_the_service(run: Run) -> None:
    assert run("nice; cat /proc/self/oom_score_adj").output.split() == [b"10", b"800"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_user_is_never_root_on_the_host(run: Run, plain: Workspace) -> None:
    assert run("touch made").exit_code == 0
    status = (plain.upper / "made").stat()
    assert (status.st_uid, status.st_gid) == (find_user(), find_user()) and status.st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_passage_opens_only_the_needed_paths_of_a_closed_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner" / "wanted").mkdir(parents=True)
    closed.chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o001) if folder != Path("/") else None
    assert plan_mounts([closed / "inner" / "wanted"], 61000) == [
        "--perms", "0755", "--tmpfs", str(closed), "--perms", "0755", "--dir", str(closed / "inner"),
        "--bind", str(closed / "inner" / "wanted"), str(closed / "inner" / "wanted"),
    ]  # fmt: skip
    closed.chmod(0o711)
    assert plan_mounts([closed / "inner" / "wanted"], 61000) == []
