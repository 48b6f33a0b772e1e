from __future__ import annotations

import base64
import gzip
import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from integrations.ports.source import Delivery
from jobs.inbox.dispatch import create_consumer_group, dispatch
from jobs.inbox.journal import Journal
from jobs.runtime import keys
from service.web.intake import Received, accept
from tests.crash.disk import replay_in_namespace, small_disk

NOW = time.mktime((2026, 5, 1, 12, 0, 0, 0, 0, 0))
DAY = 86_400


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.iterdir()) for line in gzip.open(file)]


def entry(name: str, body: bytes = b"{}") -> tuple[str, dict[str, bytes]]:
    return name, {"source": b"github", "delivery_id": name.encode(), "body": body}


def test_journal_has_every_accepted_delivery(redis: Redis, tmp_path: Path) -> None:
    create_consumer_group(redis)
    accept(redis, Received(Delivery("github", "d1", "k1", b'{"zen": "\xc3\xa9"}', "ping"), 5.0))

    dispatch(redis, "clock", 10, Journal(tmp_path / "journal", 10_000))

    (line,) = lines(tmp_path / "journal")
    assert (line["source"], line["delivery_id"], line["received_at"]) == ("github", "d1", "5.000")
    assert line["body"] == '{"zen": "é"}'
    assert redis.xlen(keys.INBOX) == 0


def test_journal_batches_are_readable_with_zcat(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 10_000)
    journal.write([entry("1"), entry("2")], NOW)
    journal.write([entry("3")], NOW)

    (file,) = tmp_path.iterdir()
    shown = subprocess.run(["zcat", str(file)], capture_output=True, text=True, check=True).stdout
    assert [json.loads(line)["entry"] for line in shown.splitlines()] == ["1", "2", "3"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_journal_keeps_a_binary_body(tmp_path: Path) -> None:
    Journal(tmp_path, 10_000).write([entry("1", b"\xff\x00")], NOW)

    (line,) = lines(tmp_path)
    assert base64.b64decode(line["body_base64"]) == b"\xff\x00"


def test_journal_has_one_file_per_day_and_process(tmp_path: Path) -> None:
    for n, journal in enumerate((Journal(tmp_path, 10_000), Journal(tmp_path, 10_000))):
        journal.write([entry("1")], NOW + n)
        journal.write([entry("2")], NOW + DAY)

    assert len(list(tmp_path.iterdir())) == 4


def test_journal_deletes_files_older_than_ninety_days(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 10_000)
    for days in (0, 5, 91):
        journal.write([entry(str(days))], NOW + days * DAY)

    assert [line["entry"] for line in lines(tmp_path)] == ["5", "91"]


def test_journal_with_a_clock_far_ahead_loses_one_day_at_a_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 10_000)
    for day in range(4):
        journal.write([entry(str(day))], NOW + day * DAY)
    journal.write([entry("2038")], NOW + 12 * 365 * DAY)

    assert [line["entry"] for line in lines(tmp_path)] == ["1", "2", "3", "2038"]


@pytest.mark.parametrize("jump", [-DAY, -3 * DAY, -400 * DAY])
def test_journal_has_no_entry_twice_after_the_clock_went_back(tmp_path: Path, jump: float) -> None:
    """The ids of Redis's streams stay in the future then."""
    one = entry(f"{int(NOW * 1000)}-0")
    Journal(tmp_path, 10_000).write([one], NOW + jump)
    Journal(tmp_path, 10_000).write([one], NOW + jump, again=True)

    assert len(lines(tmp_path)) == 1


def test_journal_over_its_size_deletes_the_oldest_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 2_000)
    for day in range(4):
        journal.write([entry(str(day), os.urandom(700))], NOW + day * DAY)

    assert [line["entry"] for line in lines(tmp_path)] == ["2", "3"]


def test_journal_on_a_full_disk_does_not_block_the_dispatch(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")

    Journal(tmp_path / "journal", 10_000).write([entry("1")], NOW)

    assert (tmp_path / "journal").read_text() == "in the way"


def test_journal_skips_entries_of_a_crashed_dispatcher(tmp_path: Path) -> None:
    Journal(tmp_path, 10_000).write([entry("1-0"), entry("2-0")], NOW)
    Journal(tmp_path, 10_000).write([entry("1-0"), entry("2-0"), entry("3-0")], NOW + DAY, again=True)

    assert [line["entry"] for line in lines(tmp_path)] == ["1-0", "2-0", "3-0"]


def test_journal_with_a_torn_line_keeps_all_others(tmp_path: Path) -> None:
    torn = Journal(tmp_path, 10_000)
    torn.write([entry("1-0")], NOW)
    torn.write([entry("2-0")], NOW)
    (file,) = tmp_path.iterdir()
    os.truncate(file, file.stat().st_size - 5)
    Journal(tmp_path, 10_000).write([entry("2-0")], NOW + DAY, again=True)

    assert [line["entry"] for line in torn.read()] == ["1-0", "2-0"]


def test_journal_truncates_a_partial_batch(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 10_000_000)
    journal.write([entry("1", os.urandom(1_000_000))], NOW)  # longer than any file that pytest writes meanwhile
    (file,) = tmp_path.iterdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, before[1]))
    try:
        journal.write([entry("2")], NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    journal.write([entry("3")], NOW)

    assert [line["entry"] for line in lines(tmp_path)] == ["1", "3"]


def test_journal_pauses_on_a_full_disk_and_logs_that_once(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=10) as disk:
        journal = Journal(disk.folder / "journal", 10_000)
        disk.fill_to(0.98)
        with capture_logs() as logged:
            for number in range(3):
                journal.write([entry(str(number))], NOW)
            disk.free()
            time.sleep(0.25)  # longer than the monitor's memory
            journal.write([entry("4")], NOW)
        assert [line["entry"] for line in lines(disk.folder / "journal")] == ["4"]
    assert [line["event"] for line in logged] == ["journal write failed", "journal is written again"]


def test_journal_uses_at_most_a_tenth_of_its_disk(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=10) as disk:
        for day in range(1, 6):
            Journal(disk.folder, 10**9).write([entry(str(day), os.urandom(400_000).hex().encode())], NOW + day * DAY)
        sizes = [file.stat().st_size for file in disk.folder.iterdir()]
        assert 0 < sum(sizes) <= 1024**2
