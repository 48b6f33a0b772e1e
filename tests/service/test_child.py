from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from service.supervisor.child import Child, Process
from service.supervisor.child_log import ChildLog
from service.supervisor.embedded_redis import CannotStart


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
