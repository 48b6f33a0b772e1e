"""When an automation starts: cron in a time zone, weekdays, holidays, quiet hours. Pure; times are Unix seconds.

Daylight saving time follows Debian's cron, as `cronsim` does: a time that is left out is run right after the gap, one
that occurs twice is run once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from jobs.loop.automation import Schedule

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_DAYS = 1_000
"""Excluded days in a row after which a schedule counts as one without a time."""
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def find_schedule_problem(schedule: Schedule, now: float) -> str:
    """Name the key that cannot be used with the reason and the fix; empty for a schedule that has a time after
    `now`."""
    try:
        zone = ZoneInfo(schedule.timezone)
    except (ValueError, OSError, LookupError):  # `ZoneInfoNotFoundError` is a KeyError; a folder is an OSError
        return f"timezone: {schedule.timezone[:60]!r} is no time zone; write one such as Europe/Berlin"
    for day in schedule.holidays:
        if not _is_date(day):
            return f"holidays: {day[:60]!r} is no date; write one such as 2026-12-25"
    for name in schedule.weekdays:
        if name not in WEEKDAYS:
            return f"weekdays: {name[:60]!r} is no weekday; write some of {', '.join(WEEKDAYS)}"
    if schedule.quiet_hours and not _HOURS.fullmatch(schedule.quiet_hours):
        return f"quiet_hours: {schedule.quiet_hours[:60]!r} is no range; write one such as 22:00-07:00"
    if schedule.quiet_hours and len(set(_parse_hours(schedule.quiet_hours))) == 1:
        return f"quiet_hours: {schedule.quiet_hours!r} is the whole day; write a shorter range"
    return _find_cron_problem(schedule, datetime.fromtimestamp(now, zone)) if schedule.cron else ""


def _find_cron_problem(schedule: Schedule, start: datetime) -> str:
    shown = schedule.cron[:60]
    if len(schedule.cron.split()) != 5:
        return f"cron: {shown!r} has not five fields; write minute, hour, day, month and weekday, as '0 9 * * mon-fri'"
    try:
        CronSim(schedule.cron, start)
    except CronSimError as error:
        name = str(error).removeprefix("Bad ").replace("day-of-week", "weekday").replace("day-of-month", "day")
        return f"cron: {shown!r} has an invalid {name}; write fields such as '0 9 * * mon-fri'"
    if find_next_slot(schedule, start.timestamp()) is None:
        return f"cron: {shown!r} never occurs with these weekdays and holidays; change one of them"
    return ""


def find_next_slot(schedule: Schedule, after: float) -> float | None:
    """The first slot after this time; None without one."""
    return next(_list_slots(schedule, after, reverse=False), None)


def find_last_slot(schedule: Schedule, after: float, until: float) -> float | None:
    """The last slot after the first time and not after the second one; None without one."""
    slot = next(_list_slots(schedule, until + 1, reverse=True), None)
    return slot if slot is not None and after < slot <= until else None


def find_start(schedule: Schedule, at: float) -> float:
    """The first time from `at` that is neither in quiet hours nor on a holiday."""
    zone = ZoneInfo(schedule.timezone)
    for _ in range(MOST_DAYS):
        now = datetime.fromtimestamp(at, zone)
        if now.date().isoformat() in schedule.holidays:
            at = _midnight(now.date() + timedelta(days=1), zone)
        elif (end := _find_quiet_end(schedule, now)) is not None:
            at = end
        else:
            break
    return at


def _list_slots(schedule: Schedule, start: float, *, reverse: bool) -> Iterator[float]:
    """The slots from `start`, exclusive, in this direction."""
    zone, at = ZoneInfo(schedule.timezone), start
    for _ in range(MOST_DAYS if schedule.cron else 0):
        slots = CronSim(schedule.cron, datetime.fromtimestamp(at, zone), reverse=reverse)
        day = None
        for slot in slots:
            if _is_excluded(schedule, slot.date()):
                day = slot.date()
                break
            yield slot.timestamp()
        if day is None:
            return
        at = _midnight(day, zone) if reverse else _midnight(day + timedelta(days=1), zone) - 1


def _is_excluded(schedule: Schedule, day: date) -> bool:
    if schedule.weekdays and WEEKDAYS[day.weekday()] not in schedule.weekdays:
        return True
    return day.isoformat() in schedule.holidays


def _find_quiet_end(schedule: Schedule, now: datetime) -> float | None:
    """The end of the quiet hours that `now` is in; None outside of them."""
    if not schedule.quiet_hours:
        return None
    begin, end = _parse_hours(schedule.quiet_hours)
    present = now.time()
    inside = begin <= present < end if begin < end else (present >= begin or present < end)
    if not inside:
        return None
    day = now.date() if present < end else now.date() + timedelta(days=1)
    found = datetime.combine(day, end, now.tzinfo).timestamp()
    return max(found, now.timestamp() + 60)  # an end that the clock skips, or that occurs twice


def _parse_hours(text: str) -> tuple[time, time]:
    parts = _HOURS.fullmatch(text)
    assert parts, "checked when the declaration was read"
    first, second, third, fourth = map(int, parts.groups())
    return time(first, second), time(third, fourth)


def _midnight(day: date, zone: ZoneInfo) -> float:
    return datetime.combine(day, time(), zone).astimezone(UTC).timestamp()


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
