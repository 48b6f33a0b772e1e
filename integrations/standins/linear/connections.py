"""Relay connections over rows: filter, order, and a window of them. Pure but for the rows it is handed.

Called by `fields` and `queries`. A cursor is the id of a row, as in Linear; a page goes on behind the place where that
row stands now, so rows that move while somebody reads may be missed or met twice, as in Linear.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.standins.linear.errors import invalid, not_found
from integrations.standins.linear.filters import Follow, matches
from integrations.standins.linear.store import Row

DEFAULT_PAGE, LARGEST_PAGE = 50, 250


def connection(rows: Sequence[Row], arguments: Mapping[str, Any], follow: Follow) -> dict[str, Any]:
    """`nodes` and `pageInfo` of the rows that fit; newest first, archived ones only when asked for."""
    fitting = [row for row in rows if arguments.get("includeArchived") or not row.get("archivedAt")]
    fitting = [row for row in fitting if matches(row, arguments.get("filter") or {}, follow)]
    return _page(fitting, rows, arguments)


def _page(fitting: Iterable[Row], everything: Sequence[Row], arguments: Mapping[str, Any]) -> dict[str, Any]:
    ordered = _ordered(everything, arguments)
    places = {row["id"]: place for place, row in enumerate(ordered)}
    first, last = (_size(arguments, name) for name in ("first", "last"))
    start, end = _place(places, arguments.get("after"), -1), _place(places, arguments.get("before"), len(ordered))
    keep = {row["id"] for row in fitting}
    window = [row for row in ordered[start + 1 : end] if row["id"] in keep]
    if last is not None and first is None:
        nodes = window[-last:]
        more = {"hasNextPage": False, "hasPreviousPage": len(window) > last}
    else:
        size = DEFAULT_PAGE if first is None else first
        nodes = window[:size]
        more = {"hasNextPage": len(window) > size, "hasPreviousPage": start >= 0}
    ends = {"startCursor": nodes[0]["id"], "endCursor": nodes[-1]["id"]} if nodes else {}
    return {"nodes": nodes, "pageInfo": {"startCursor": None, "endCursor": None, **ends, **more}}


def _ordered(rows: Sequence[Row], arguments: Mapping[str, Any]) -> list[Row]:
    """By `orderBy`, newest first; a `sort` given comes before it."""
    column = arguments.get("orderBy") or "createdAt"
    ordered = sorted(rows, key=lambda row: (row[column], row["id"]), reverse=True)
    for wish in reversed(arguments.get("sort") or []):
        for name, how in wish.items():
            ordered.sort(key=lambda row: row[name], reverse=(how or {}).get("order") == "Descending")
    return ordered


def _size(arguments: Mapping[str, Any], name: str) -> int | None:
    size = arguments.get(name)
    if size is not None and not 1 <= size <= LARGEST_PAGE:
        raise invalid(name, "max", f"{name} must be between 1 and {LARGEST_PAGE}")
    return int(size) if size is not None else None


def _place(places: Mapping[str, int], cursor: str | None, otherwise: int) -> int:
    if cursor is None:
        return otherwise
    if cursor not in places:
        raise not_found("cursor")
    return places[cursor]
