from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from jobs.runtime import logging
from jobs.runtime.logging import OutageLog
from tests.support.checkout import REPOSITORY

# RLIMIT_FSIZE makes writes fail as a full disk does: with an OSError.
PLAY = """
import os, resource, sys
from jobs.runtime import logging
import structlog
logging.configure("web", ["hunter22"], open(sys.argv[1], "w"))
log = structlog.get_logger("jobs.x")
log.info("before")
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[1]), -1))
for _ in range(5):
    log.info("lost")
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
log.info("after hunter22")
log.info("end")
"""


def test_log_lines_are_dropped_while_the_disk_is_full_and_their_number_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "log"
    done = subprocess.run(
        [sys.executable, "-c", PLAY, file], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    events = [json.loads(line)["event"] for line in file.read_text().splitlines() if line.startswith("{")]
    assert events[0] == "before" and events[-1] == "end"
    assert "after [secret]" in events
    assert any("log lines were dropped" in event for event in events)
    assert done.stderr.count("The log cannot be written") == 1 and "Traceback" not in done.stderr


@pytest.mark.parametrize("target", ["/dev/full", "closed pipe", "closed"])
def test_log_that_cannot_be_written_never_stops_the_process(target: str, tmp_path: Path) -> None:
    code = (
        "import sys, structlog; from jobs.runtime import logging\n"
        "logging.configure('web', []); log = structlog.get_logger('jobs.x')\n"
        "if sys.argv[1] == 'closed': sys.stdout.close()\n"
        "for number in range(100): log.info('line', number=number)\n"
        "import os; os.write(2, b'worked'); os._exit(0)"
    )
    if target == "closed pipe":
        reader, out = os.pipe()
        os.close(reader)
    else:
        out = os.open("/dev/full" if target == "/dev/full" else tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    done = subprocess.run(
        [sys.executable, "-c", code, target], stdout=out, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True, check=True
    )
    os.close(out)
    assert done.stderr.endswith("worked") and "Traceback" not in done.stderr
    assert done.stderr.count("The log cannot be written") == 1


def test_outage_is_logged_when_it_begins_and_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "_log", structlog.get_logger())  # a process of another test may have bound its own
    outage = OutageLog(file="x")
    with capture_logs() as lines:
        outage.info("it works")
        for _ in range(3):
            outage.error("it fails", OSError("full"))
        for _ in range(3):
            outage.info("it works")
        outage.error("it fails", OSError("full again"))
    assert [(line["event"], line["file"]) for line in lines] == [
        ("it fails", "x"),
        ("it works", "x"),
        ("it fails", "x"),
    ]
