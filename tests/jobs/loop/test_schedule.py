"""Schedules of automations: time zones with daylight saving time, weekdays, holidays, quiet hours."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobs.loop.automation import Schedule
from jobs.loop.schedule import find_last_slot, find_next_slot, find_schedule_problem, find_start

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def show(moment: float | None) -> str:
    return datetime.fromtimestamp(moment, BERLIN).strftime("%Y-%m-%d %H:%M") if moment else ""


def berlin(cron: str, **more: Any) -> Schedule:
    return Schedule(cron=cron, timezone="Europe/Berlin", **more)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        (berlin("0 9 * * mon-fri"), "2026-11-27 09:00", "2026-11-30 09:00"),
        (berlin("0 9 * * *", weekdays=("mon", "wed")), "2026-11-23 09:00", "2026-11-25 09:00"),
        (berlin("0 9 * * *", holidays=("2026-12-25", "2026-12-26")), "2026-12-24 10:00", "2026-12-27 09:00"),
        (berlin("*/30 * * * *", holidays=("2026-12-25",)), "2026-12-24 23:30", "2026-12-26 00:00"),
        (berlin("30 2 * * *"), "2026-03-28 12:00", "2026-03-29 03:00"),
        (berlin("30 2 * * *"), "2026-10-24 12:00", "2026-10-25 02:30"),
        (berlin("0 9 29 2 *"), "2026-11-23 09:00", "2028-02-29 09:00"),
    ],
    ids=["weekend", "weekdays", "holidays", "night", "hour left out", "hour twice", "leap day"],
)
def test_slot_follows_the_clock_of_the_time_zone(schedule: Schedule, after: str, expected: str) -> None:
    assert show(find_next_slot(schedule, at(after))) == expected


def test_slot_of_an_hour_that_occurs_twice_is_one() -> None:
    schedule = berlin("30 2 * * *")
    first = find_next_slot(schedule, at("2026-10-24 12:00"))
    assert first

    assert show(find_next_slot(schedule, first)) == "2026-10-26 02:30"
    assert find_last_slot(schedule, first, at("2026-10-25 02:45", fold=1)) is None


@pytest.mark.parametrize("until", ["2026-03-29 03:00", "2026-03-29 03:01", "2026-03-29 12:00"])
def test_last_slot_in_an_hour_that_is_left_out_equals_the_next_one_before_it(until: str) -> None:
    schedule = berlin("30 2 * * *")

    assert find_last_slot(schedule, at("2026-03-28 12:00"), at(until)) == find_next_slot(
        schedule, at("2026-03-28 12:00")
    )


def test_last_slot_is_after_the_first_time_and_not_after_the_second() -> None:
    schedule = berlin("0 9 * * mon-fri", holidays=("2026-12-25",))

    assert show(find_last_slot(schedule, at("2026-12-20 00:00"), at("2026-12-28 08:59"))) == "2026-12-24 09:00"
    assert find_last_slot(schedule, at("2026-12-24 09:00"), at("2026-12-28 08:59")) is None
    assert show(find_last_slot(schedule, at("2026-12-24 09:00"), at("2026-12-28 09:00"))) == "2026-12-28 09:00"
    assert find_last_slot(Schedule(), 0, at("2026-12-28 09:00")) is None


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-12-23 12:00", "2026-12-23 12:00"),
        ("2026-12-23 22:00", "2026-12-24 07:00"),
        ("2026-12-23 06:59", "2026-12-23 07:00"),
        ("2026-12-24 23:00", "2026-12-26 07:00"),
    ],
    ids=["open", "evening", "morning", "holiday"],
)
def test_start_waits_for_the_end_of_quiet_hours_and_holidays(moment: str, expected: str) -> None:
    schedule = berlin("", quiet_hours="22:00-07:00", holidays=("2026-12-25",))

    assert show(find_start(schedule, at(moment))) == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"cron": "61 * * * *"}, "cron: '61 * * * *' has an invalid minute"),
        ({"cron": "0 0 31 2 *"}, "cron: '0 0 31 2 *' has an invalid day"),
        ({"cron": "0 9 * * 1 2"}, "cron: '0 9 * * 1 2' has not five fields"),
        ({"cron": "@daily"}, "has not five fields"),
        ({"cron": "0 9 * * sat", "weekdays": ("mon",)}, "never occurs"),
        ({"timezone": "Mars/Base"}, "'Mars/Base' is no time zone; write one such as Europe/Berlin"),
        ({"timezone": "../../etc/passwd"}, "is no time zone"),
        ({"timezone": "Europe"}, "is no time zone"),
        ({"holidays": ("25.12.2026",)}, "holidays: '25.12.2026' is no date; write one such as 2026-12-25"),
        ({"weekdays": ("monday",)}, "weekdays: 'monday' is no weekday"),
        ({"quiet_hours": "22-7"}, "quiet_hours: '22-7' is no range; write one such as 22:00-07:00"),
        ({"quiet_hours": "07:00-07:00"}, "is the whole day"),
    ],
)
def test_schedule_that_cannot_be_used_is_reported_with_the_fix(given: dict[str, Any], sentence: str) -> None:
    assert sentence in find_schedule_problem(Schedule(**given), at("2026-11-23 09:00"))


def test_schedule_that_can_be_used_has_no_problem() -> None:
    whole = berlin("0 9 * * mon-fri", weekdays=("mon",), holidays=("2026-12-25",), quiet_hours="22:00-07:00")

    assert find_schedule_problem(whole, at("2026-11-23 09:00")) == ""
