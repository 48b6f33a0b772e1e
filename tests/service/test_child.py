from __future__ import annotations

import io
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.supervisor.child import Child, Process
from service.supervisor.child_log import ChildLog
from service.supervisor.embedded_redis import CannotStart


def start_in(folder: Path, start: Callable[[int], subprocess.Popen[bytes]], output: int) -> subprocess.Popen[bytes]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return start(output)
    finally:
        os.chdir(before)


def child(folder: Path, code: str) -> Child:
    def start(output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code], stdout=output, stderr=output, start_new_session=True)

    return Child(Process("it", start, 1), ChildLog(folder, "it"))


def run_to_end(it: Child, now: float, lasted: float) -> int | None:
    it.start(now)
    assert it.popen
    it.popen.wait()
    return it.handle_exit(now + lasted)


def test_child_restart_backoff_doubles_up_to_thirty_seconds(tmp_path: Path) -> None:
    it, now, waits = child(tmp_path, "raise SystemExit(7)"), 0.0, []
    for _ in range(8):
        assert run_to_end(it, now, 0.0) == 7
        waits.append(it.next_start - now)
        now = it.next_start
    it.log.close()
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_child_that_was_ready_has_a_shorter_backoff(tmp_path: Path) -> None:
    it, now, waits = child(tmp_path, "raise SystemExit(7)"), 0.0, []
    for _ in range(6):
        it.start(now)
        assert it.popen
        assert it.check_ready()
        it.popen.wait()
        it.handle_exit(now)
        waits.append(it.next_start - now)
        now = it.next_start
    it.log.close()
    assert waits == [0.5, 1, 2, 4, 4, 4]


def test_child_backoff_resets_after_a_healthy_minute(tmp_path: Path) -> None:
    it = child(tmp_path, "raise SystemExit(7)")
    for now in (0.0, 10.0, 20.0):
        run_to_end(it, now, 1.0)
    run_to_end(it, 100.0, 61.0)
    it.log.close()
    assert it.next_start == 161.5


def test_child_that_refuses_to_start_raises_with_its_output(tmp_path: Path) -> None:
    it = child(tmp_path, "print('NAME is empty.'); raise SystemExit(2)")
    with pytest.raises(CannotStart, match=r"it refused to start: NAME is empty\."):
        run_to_end(it, 0.0, 1.0)
    it.log.close()


def test_child_log_echoes_lines_with_a_prefix(tmp_path: Path) -> None:
    echo = io.StringIO()
    log = ChildLog(tmp_path, "web", echo)
    for piece in (b"one\ntw", b"o\n\xff thr", b"ee\n"):
        log.write(piece)
    log.close()
    assert (tmp_path / "web.log").read_bytes() == b"one\ntwo\n\xff three\n"
    assert echo.getvalue() == "web | one\nweb | two\nweb | \ufffd three\n"


def test_child_log_never_exceeds_twice_its_limit(tmp_path: Path) -> None:
    log = ChildLog(tmp_path, "web", largest=100)
    for number in range(100):
        log.write(b"line %03d\n" % number)
    log.close()
    assert {file.name for file in tmp_path.iterdir()} == {"web.log", "web.log.1"}
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 220
    assert "line 099" in log.last_lines()


def test_child_that_worked_before_is_restarted_when_it_refuses(tmp_path: Path) -> None:
    """A full disk makes an agent's self-test fail at a restart."""
    it = child(
        tmp_path, "import pathlib, sys; f = pathlib.Path('ran'); raise SystemExit(2 if f.exists() else f.touch())"
    )
    it.process = Process("it", partial(start_in, tmp_path, it.process.start), 1)
    it.start(0.0)
    assert it.popen and it.check_ready()
    it.popen.wait()
    assert it.handle_exit(1.0) == 0
    assert run_to_end(it, 2.0, 1.0) == 2
    assert it.next_start == 4.0
    it.log.close()


def test_child_is_retried_when_no_file_descriptor_is_free(tmp_path: Path) -> None:
    it = child(tmp_path, "pass")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    it.log.write(b"open")
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        it.start(0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert it.popen is None and it.output == -1 and it.next_start == 0.5
    assert "Too many open files" in it.log.last_lines()
    assert run_to_end(it, 0.5, 0.0) == 0
    it.log.close()


def test_child_log_drops_output_of_a_full_disk_and_continues_by_itself(tmp_path: Path) -> None:
    log = ChildLog(tmp_path, "web")
    log.path.symlink_to("/dev/full")
    with capture_logs() as lines:
        for _ in range(3):
            log.write(b"lost\n")
        log.path.unlink()
        log.write(b"kept\n")
        log.write(b"kept\n")
    log.close()
    assert log.path.read_bytes() == b"\n[15 bytes were dropped]\nkept\nkept\n"
    assert log.last_lines() == "lost\nlost\nlost\nkept\nkept"
    assert [line["event"] for line in lines] == ["log file cannot be written, will retry", "log file is written again"]


def test_child_log_survives_its_deleted_folder(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "logs", "web")
    log.write(b"one\n")
    shutil.rmtree(tmp_path / "logs")
    log.write(b"two\n")
    log.close()
    assert log.path.read_bytes() == b"two\n"


def test_child_log_survives_a_rotation_that_fails(tmp_path: Path) -> None:
    log = ChildLog(tmp_path, "web", largest=10)
    (tmp_path / "web.log.1").mkdir()
    for _ in range(5):
        log.write(b"0123456789\n")
    (tmp_path / "web.log.1").rmdir()
    log.write(b"end\n")
    log.close()
    assert b"0123456789\n" in (tmp_path / "web.log.1").read_bytes()


def test_child_log_survives_a_closed_terminal(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as echo:
        log = ChildLog(tmp_path, "web", echo)
        log.write(b"one\n")
        log.close()
        with suppress(BrokenPipeError):
            echo.close()
    assert log.path.read_bytes() == b"one\n"
