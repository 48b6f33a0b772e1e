"""The list of loops on the command line, from loops in the real Redis."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from redis import Redis

from jobs.config.settings import Settings
from service.operator.status import show_status
from tests.service.dashboard.story import Story, a_loop, fill
from tests.service.loopline import ENOUGH, loopline


def shown(settings: Settings, redis: Redis, *, as_json: bool = False) -> str:
    out = StringIO()
    assert show_status(settings, redis, out, as_json=as_json) == 0
    return out.getvalue()


def test_every_loop_has_a_line_and_those_that_need_somebody_come_first(settings: Settings, redis: Redis) -> None:
    fill(redis)
    *lines, total = shown(settings, redis).splitlines()
    assert [line.split()[0] for line in lines] == ["ENG-15", "ENG-7", "ENG-9", "ENG-12", "ENG-5", "ENG-3"]
    assert total == "6 loops."


def test_a_line_says_stage_attempt_money_and_what_it_waits_for(settings: Settings, redis: Redis) -> None:
    fill(redis)
    line = next(line for line in shown(settings, redis).splitlines() if line.startswith("ENG-9"))
    for words in ("Needs you", "attempt 3/3 iteration 3/3", "$3.41 of $23.00", "goes in circles (called 2x, not seen)"):
        assert words in line


def test_the_json_is_the_dashboard_s(settings: Settings, redis: Redis) -> None:
    fill(redis)
    rows = json.loads(shown(settings, redis, as_json=True))
    assert rows[2]["escalation"]["kind"] == "spinning" and rows[2]["cap_usd"] == 23.0


def test_a_stranger_s_text_cannot_move_the_cursor(settings: Settings, redis: Redis) -> None:
    Story(redis).remember(a_loop(reason="\x1b[2Jgone\r\nENG-1 Done"))
    first, _ = shown(settings, redis).splitlines()
    assert first.endswith("[2Jgone ENG-1 Done") and "\x1b" not in first


def test_the_command_prints_it_and_says_when_redis_is_away(tmp_path: Path, redis: Redis, redis_server: str) -> None:
    Story(redis).remember(a_loop())
    given = {**ENOUGH, "LOOPLINE_HOME": str(tmp_path)}
    assert loopline("service", "status", **given, REDIS_URL=redis_server).stdout.startswith("ENG-12")
    away = loopline("service", "status", **given, REDIS_URL="redis://127.0.0.1:9")
    assert away.returncode == 1 and away.stderr.startswith("Redis does not answer")
