"""Relay connections over rows: filter, order, and one page. Pure.

Called by `fields` and `queries`. A cursor is the id of a row, as in Linear; a page starts after the current position of
that row, so rows that move between two requests can be missed or repeated, as in Linear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations.standins.linear.errors import invalid, not_found
from integrations.standins.linear.store import Row

DEFAULT_PAGE, LARGEST_PAGE = 50, 250
COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "in": lambda value, wanted: value in wanted,
    "eqIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
}
Follow = Callable[[Any, str], Any]


def connection(rows: Sequence[Row], arguments: Mapping[str, Any], follow: Follow) -> dict[str, Any]:
    """`nodes` and `pageInfo` of the rows that match, newest first, without archived ones.

    `follow` returns what a filter's field names on a row: a column or another row."""
    ordered = sorted(rows, key=lambda row: (row["createdAt"], row["id"]), reverse=True)
    later = ordered[_start(ordered, arguments.get("after")) :]
    condition = arguments.get("filter") or {}
    found = [row for row in later if not row["archivedAt"] and matches(row, condition, follow)]
    size = _size(arguments.get("first"))
    nodes = found[:size]
    end = nodes[-1]["id"] if nodes else None
    return {"nodes": nodes, "pageInfo": {"hasNextPage": len(found) > size, "endCursor": end}}


def matches(value: Any, condition: Mapping[str, Any], follow: Follow) -> bool:
    """Whether a row or a column fits one of Linear's filter inputs. The schema has refused unknown fields already."""
    return all(_fits(value, name, wanted, follow) for name, wanted in condition.items() if wanted is not None)


def _fits(value: Any, name: str, wanted: Any, follow: Follow) -> bool:
    if name == "or":
        return any(matches(value, part, follow) for part in wanted)
    if name == "null":
        return (value is None) is wanted
    if value is None:
        return False
    if name in COMPARATORS:
        return COMPARATORS[name](value, wanted)
    return matches(follow(value, name), wanted, follow)


def _size(first: int | None) -> int:
    if first is not None and not 1 <= first <= LARGEST_PAGE:
        raise invalid("first", "max", f"first must be between 1 and {LARGEST_PAGE}")
    return DEFAULT_PAGE if first is None else first


def _start(ordered: Sequence[Row], cursor: str | None) -> int:
    """The index of the first row after the cursor."""
    if cursor is None:
        return 0
    for index, row in enumerate(ordered):
        if row["id"] == cursor:
            return index + 1
    raise not_found("cursor")
