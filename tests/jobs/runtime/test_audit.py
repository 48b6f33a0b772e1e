"""The audit journal: one chain for all writers, sound after crashes, in which no change stays unnoticed."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime import audit
from jobs.runtime.audit import FOLDER, AuditJournal, list_segments, name_chain, read_head, read_segment
from jobs.runtime.audit_check import Report, read_records, verify_chain
from tests.crash.disk import SmallDisk, can_mount, replay_in_namespace, small_disk
from tests.support.checkout import REPOSITORY

WRITER = """
import sys
from pathlib import Path
from redis import Redis
from jobs.runtime.audit import AuditJournal
journal = AuditJournal(Path(sys.argv[1]), Redis.from_url(sys.argv[2]), 2_000)
for n in range(int(sys.argv[4])):
    journal.append(kind="effect", ticket="ENG-1", command_id=f"{sys.argv[3]}/{n}")
    print(n, flush=True)
"""


def check(home: Path, redis: Redis) -> Report:
    return verify_chain(home / FOLDER, read_head(redis, name_chain(home)))


def fill(home: Path, redis: Redis | None, count: int = 8, segment_bytes: int = 10_000_000) -> Path:
    journal = AuditJournal(home, redis, segment_bytes)
    for n in range(count):
        journal.append(kind="effect", ticket=f"ENG-{n % 2}", command_id=f"e/{n}")
    return list_segments(home / FOLDER)[-1]


def test_audit_of_a_sound_chain_reports_its_head(redis: Redis, settings: Settings) -> None:
    fill(settings.home, redis)
    report = check(settings.home, redis)
    assert (report.lines, report.first, report.head.number, report.problem, report.notes) == (8, 1, 8, "", ())
    assert [record["command_id"] for record in read_records(settings.home / FOLDER, "ENG-1")] == [
        f"e/{n}" for n in (1, 3, 5, 7)
    ]


CHANGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "changed": (lambda ls: [*ls[:3], ls[3].replace(b"e/3", b"e/9"), *ls[4:]], "Line 4 of .* does not have the hash"),
    "changed first": (lambda ls: [ls[0].replace(b"e/0", b"e/9"), *ls[1:]], "Line 1 of .* does not have the hash"),
    "changed last": (lambda ls: [*ls[:7], ls[7].replace(b"e/7", b"e/9")], r"Line 8 of .* hash that Redis has"),
    "removed": (lambda ls: [*ls[:3], *ls[4:]], "Line 4 of .* has number 5, but 4 was expected"),
    "first removed": (lambda ls: ls[1:], "lines before number 2 are missing"),
    "last removed": (lambda ls: ls[:-1], "ends with number 7, but Redis knows number 8"),
    "last torn": (lambda ls: [*ls[:7], ls[7][:-5]], "ends with number 7, but Redis knows number 8"),
    "all removed": (lambda ls: [], "ends with number 0, but Redis knows number 8"),
    "inserted": (lambda ls: [*ls[:3], ls[2], *ls[3:]], "Line 4 of .* has number 3, but 4 was expected"),
    "reordered": (lambda ls: [*ls[:3], ls[4], ls[3], *ls[5:]], "Line 4 of .* has number 5"),
    "not JSON": (lambda ls: [*ls[:3], b"{}\n", *ls[4:]], "Line 4 of .* is not a line of the journal"),
    "renumbered": (
        lambda ls: [
            *ls[:3],
            *(line.replace(b'{"n":%d' % (n + 5), b'{"n":%d' % (n + 4)) for n, line in enumerate(ls[4:])),
        ],
        "does not have the hash",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_audit_names_the_first_place_that_was(name: str, redis: Redis, settings: Settings) -> None:
    file = fill(settings.home, redis)
    change, problem = CHANGES[name]
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))

    report = check(settings.home, redis)

    assert re.search(problem, report.problem), report.problem


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 0.999), flip=st.integers(1, 255))
def test_audit_finds_any_flipped_byte(place: float, flip: int, redis: Redis, settings: Settings) -> None:
    folder = settings.home / FOLDER
    file = list_segments(folder)[-1] if folder.exists() else fill(settings.home, redis)
    whole = file.read_bytes()
    data = bytearray(whole)
    data[int(place * len(data))] ^= flip
    file.write_bytes(data)
    try:
        assert check(settings.home, redis).problem
    finally:
        file.write_bytes(whole)


def test_audit_chain_of_recomputed_hashes_differs_from_the_head_in_redis(redis: Redis, settings: Settings) -> None:
    file = fill(settings.home, redis)
    file.unlink()
    fill_again = AuditJournal(settings.home, None)
    for n in range(8):
        fill_again.append(kind="effect", command_id=f"forged/{n}")
    assert "hash that Redis has" in check(settings.home, redis).problem


def test_audit_folder_that_was_deleted_is_found_after_further_lines(redis: Redis, settings: Settings) -> None:
    file = fill(settings.home, redis)
    file.unlink()
    AuditJournal(settings.home, redis).append(kind="effect", command_id="later")
    assert "lines before number 9 are missing" in check(settings.home, redis).problem


def test_audit_segments_are_compressed_and_old_ones_deleted_with_a_record(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_BYTES", 1_500)
    fill(settings.home, redis, 200, segment_bytes=1_000)
    report = check(settings.home, redis)
    assert report.problem == "" and report.first > 100 and "retention limit" in report.notes[0]
    segments = list_segments(settings.home / FOLDER)
    assert sum(file.stat().st_size for file in segments) < 4_000
    segments[0].unlink()
    assert "are missing" in check(settings.home, redis).problem


def test_audit_of_a_crash_between_compression_and_removal_counts_lines_once(redis: Redis, settings: Settings) -> None:
    file = fill(settings.home, redis)
    (file.parent / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    AuditJournal(settings.home, redis).append(kind="effect", command_id="later")
    report = check(settings.home, redis)
    assert (report.lines, report.problem) == (9, "")


def test_audit_damaged_segment_is_named(redis: Redis, settings: Settings) -> None:
    fill(settings.home, redis, 30, segment_bytes=1_000)
    oldest = list_segments(settings.home / FOLDER)[0]
    oldest.write_bytes(oldest.read_bytes()[:-20])
    assert "cannot be read" in check(settings.home, redis).problem


def test_audit_writers_that_are_killed_leave_a_sound_chain_with_every_reported_line(
    redis: Redis, settings: Settings
) -> None:
    url = settings.redis_url.get_secret_value()
    reported: set[str] = set()
    for turn in range(4):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(settings.home), url, f"{turn}.{w}", "100000"],
                stdout=subprocess.PIPE, cwd=REPOSITORY, text=True,
            )
            for w in range(2)
        ]  # fmt: skip
        for writer in writers:
            assert writer.stdout and writer.stdout.readline()
        time.sleep(0.1 + turn * 0.037)
        for number, writer in enumerate(writers):
            writer.send_signal(signal.SIGKILL)
            output, _ = writer.communicate()
            reported |= {f"{turn}.{number}/{n}" for n in output.split() if n.isdigit()} | {f"{turn}.{number}/0"}
        assert check(settings.home, redis).problem == ""
    lines = b"".join(map(read_segment, list_segments(settings.home / FOLDER))).splitlines()
    assert reported <= {json.loads(line)["command_id"] for line in lines if line.endswith(b"}")}


def test_audit_incomplete_line_of_a_killed_writer_is_replaced(redis: Redis, settings: Settings) -> None:
    file = fill(settings.home, redis)
    with file.open("ab") as stream:
        stream.write(b'{"n":9,"prev":"ab')
    report = check(settings.home, redis)
    assert report.problem == "" and "not complete" in report.notes[0]
    AuditJournal(settings.home, redis).append(kind="effect", command_id="later")
    assert (check(settings.home, redis).lines, check(settings.home, redis).notes) == (9, ())


def test_audit_line_that_does_not_fit_on_the_disk_leaves_no_trace(
    redis: Redis, settings: Settings, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with ExitStack() as stack:
        if can_mount():
            stack.enter_context(small_disk(settings.home, megabytes=5))
        fill(settings.home, redis)
        disk = SmallDisk(settings.home)
        disk.fill()
        with pytest.raises(OSError, match="space"):
            for _ in range(100):
                AuditJournal(settings.home, redis).append(kind="effect", command_id="x" * 300)
        assert check(settings.home, redis).problem == ""
        journal = AuditJournal(settings.home, redis)
        for _ in range(3):
            journal.record(kind="effect", command_id="x" * 300)
        disk.free()
        journal.record(kind="effect", ticket="ENG-7", command_id="later")
        assert check(settings.home, redis).problem == ""
        text = b"".join(map(read_segment, list_segments(settings.home / FOLDER)))
        assert b'"kind":"gap","lines":' in text and b'"later"' in text
