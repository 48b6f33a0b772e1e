"""The list of loops on the command line, from loops in the real Redis."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from redis import Redis

from integrations.sandbox.cgroup import explain_polling
from jobs.config.settings import Settings
from jobs.runtime import keys
from service.operator import show_status
from tests.crash.disk import replay_in_namespace, small_disk
from tests.service.dashboard.story import Story, a_loop, fill
from tests.service.loopline import ENOUGH, loopline


def shown(settings: Settings, redis: Redis, *, as_json: bool = False) -> str:
    out = StringIO()
    assert show_status(settings, redis, out, as_json=as_json) == 0
    return out.getvalue()


def test_status_lists_loops_that_need_a_person_first(settings: Settings, redis: Redis) -> None:
    fill(redis)
    *lines, total = shown(settings, redis).splitlines()
    assert [line.split()[0] for line in lines] == ["ENG-15", "ENG-7", "ENG-9", "ENG-12", "ENG-5", "ENG-3"]
    assert total == "6 loops."


def test_status_line_has_stage_attempt_money_and_reason(settings: Settings, redis: Redis) -> None:
    fill(redis)
    line = next(line for line in shown(settings, redis).splitlines() if line.startswith("ENG-9"))
    for part in (
        "Needs you",
        "attempt 3/3 iteration 3/3",
        "$3.41 of $23.00",
        "No progress (raised 2x, not seen)",
    ):
        assert part in line


def test_status_json_equals_the_dashboard_rows(settings: Settings, redis: Redis) -> None:
    fill(redis)
    rows = json.loads(shown(settings, redis, as_json=True))
    assert rows[2]["escalation"]["kind"] == "spinning" and rows[2]["cap_usd"] == 23.0


def test_status_names_bounds_that_are_only_polled(settings: Settings, redis: Redis) -> None:
    redis.set(keys.BOUNDS, explain_polling(("memory",)))
    assert shown(settings, redis).startswith("No cgroup limits memory of a sandbox here")


def test_status_line_has_no_control_characters(settings: Settings, redis: Redis) -> None:
    Story(redis).remember(a_loop(reason="\x1b[2Jgone\r\nENG-1 Done"))
    first, _ = shown(settings, redis).splitlines()
    assert first.endswith("[2Jgone ENG-1 Done") and "\x1b" not in first


def test_status_command_reports_an_unavailable_redis(tmp_path: Path, redis: Redis, redis_server: str) -> None:
    Story(redis).remember(a_loop())
    given = {**ENOUGH, "LOOPLINE_HOME": str(tmp_path)}
    assert loopline("service", "status", **given, REDIS_URL=redis_server).stdout.startswith("ENG-12")
    away = loopline("service", "status", **given, REDIS_URL="redis://127.0.0.1:9")
    assert away.returncode == 1 and away.stderr.startswith("Redis does not respond")


def test_status_begins_with_what_pauses_all_loops(
    settings: Settings, redis: Redis, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    with small_disk(tmp_path / "disk", megabytes=5) as disk:
        disk.fill_to(0.92)
        first, *_ = shown(settings.model_copy(update={"home": disk.folder}), redis).splitlines()
    assert first.startswith(f"The disk of {disk.folder} is 92 % full: no new run starts")
