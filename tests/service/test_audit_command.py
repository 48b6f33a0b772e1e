"""`loopline audit`, `freeze` and `thaw` as an operator runs them."""

from __future__ import annotations

import json
from pathlib import Path

from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.audit import AuditJournal
from jobs.runtime.freeze import FILE, find_freeze
from tests.service.loopline import ENOUGH, loopline
from tests.support.redis_fixtures import redis, redis_server, settings

__all__ = ["redis", "redis_server", "settings"]


def run(settings: Settings, *arguments: str, redis_url: str = "") -> tuple[int, str]:
    own = {"LOOPLINE_HOME": str(settings.home), "REDIS_URL": redis_url or settings.redis_url.get_secret_value()}
    done = loopline("service", *arguments, "--env-file", "/dev/null", **ENOUGH | own)
    return done.returncode, done.stdout + done.stderr


def test_audit_command_shows_a_ticket_and_names_a_changed_line(redis: Redis, settings: Settings) -> None:
    journal = AuditJournal(settings.home, redis)
    journal.append(kind="effect", ticket="ENG-1", command="MoveTicket", result="done", actor="loop\x1b[2Jline")
    journal.append(kind="effect", ticket="ENG-2", command="React", result="done")

    code, text = run(settings, "audit", "show", "ENG-1")
    assert code == 0 and "command=MoveTicket" in text and "1 lines about ENG-1" in text and "\x1b" not in text
    code, text = run(settings, "audit", "verify")
    assert code == 0 and "sound: 2 lines" in text
    assert "Audit journal: newest line 2 " in run(settings, "status")[1]

    (file,) = (settings.home / "audit").glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b"MoveTicket", b"MoveTickets"))
    code, text = run(settings, "audit", "verify")
    assert code == 1 and "Line 1 of 000000000001.jsonl" in text


def test_freeze_command_freezes_until_the_thaw_and_both_are_in_the_audit_journal(
    redis: Redis, settings: Settings
) -> None:
    code, text = run(settings, "freeze", "--reason", "the key leaked")
    found = find_freeze(redis, settings.home)
    assert code == 0 and "(the key leaked)" in text and found and "@" in found.by
    assert "Loopline is frozen since" in run(settings, "status")[1]

    code, text = run(settings, "thaw")
    assert code == 0 and "Thawed" in text and find_freeze(redis, settings.home) is None
    assert run(settings, "thaw") == (0, "Loopline is not frozen.\n")
    (file,) = (settings.home / "audit").glob("*.jsonl")
    assert [json.loads(line)["kind"] for line in file.read_bytes().splitlines()] == ["freeze", "thaw"]


def test_freeze_command_without_redis_sets_the_file_and_a_thaw_is_refused(settings: Settings, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/none.sock"
    code, text = run(settings, "freeze", redis_url=nowhere)
    assert code == 0 and "by the file" in text and (settings.home / FILE).exists()
    code, text = run(settings, "thaw", redis_url=nowhere)
    assert code == 1 and "Not thawed" in text and (settings.home / FILE).exists()
