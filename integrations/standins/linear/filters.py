"""Linear's filter inputs as one pure predicate over rows.

Called by `connections`. The schema refuses unknown fields and comparators before anything arrives here; what a filter
field leads to (a column, a row, several rows) is asked of `follow`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from integrations.standins.linear.errors import invalid

Filter = Mapping[str, Any]
Follow = Callable[[Any, str], Any]
COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "neq": lambda value, wanted: value != wanted,
    "in": lambda value, wanted: value in wanted,
    "nin": lambda value, wanted: value not in wanted,
    "gt": lambda value, wanted: value > wanted,
    "gte": lambda value, wanted: value >= wanted,
    "lt": lambda value, wanted: value < wanted,
    "lte": lambda value, wanted: value <= wanted,
    "eqIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "contains": lambda value, wanted: wanted in value,
    "containsIgnoreCase": lambda value, wanted: wanted.lower() in value.lower(),
    "startsWith": lambda value, wanted: value.startswith(wanted),
}
MOMENTS = ("createdAt", "updatedAt")


def matches(row: Any, wanted: Filter, follow: Follow) -> bool:
    """Whether the row fits all fields of the filter."""
    return all(_fits(row, name, condition, follow) for name, condition in wanted.items() if condition is not None)


def _fits(row: Any, name: str, condition: Any, follow: Follow) -> bool:
    if name == "and":
        return all(matches(row, part, follow) for part in condition)
    if name == "or":
        return any(matches(row, part, follow) for part in condition)
    if name == "null":
        return (row is None) is condition
    if row is None:
        return False
    found = follow(row, name)
    if isinstance(found, list):
        return _fits_some(found, condition, follow)
    if isinstance(found, dict) or condition.keys().isdisjoint(COMPARATORS):
        return matches(found, condition, follow)
    return compare(found, condition, moment=name in MOMENTS)


def _fits_some(rows: list[Any], condition: Filter, follow: Follow) -> bool:
    """A collection: `every` of them, or at least one of them for `some` and for plain fields."""
    plain = {name: part for name, part in condition.items() if name not in ("some", "every")}
    every, some = condition.get("every"), condition.get("some")
    if every is not None and not all(matches(row, every, follow) for row in rows):
        return False
    wanted = [part for part in (some, plain) if part]
    return all(any(matches(row, part, follow) for row in rows) for part in wanted)


def compare(value: Any, condition: Filter, moment: bool = False) -> bool:
    """Whether a column fits all comparators; a missing value fits `neq` and `nin` only."""
    if value is None:
        return all(name in ("neq", "nin") or (name == "eq" and wanted is None) for name, wanted in condition.items())
    if moment:
        value, condition = _instant(value), {name: _instant(wanted) for name, wanted in condition.items()}
    return all(COMPARATORS[name](value, wanted) for name, wanted in condition.items() if wanted is not None)


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("date", "isDate", f"{text!r} must be an ISO 8601 date; durations are not offered here") from None
    return moment if moment.tzinfo else moment.astimezone()
