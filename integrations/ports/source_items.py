"""The port of typed sources: one bounded reading of what happens around a repository. Values and their rules; pure.

A code host reads the sources of `HOST_SOURCES` through `CodeHost.read_source`, a tracker its tickets through
`Tracker.find_tickets`. Readings are read-only and idempotent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from integrations.findings import Severity, SourceItem

HOST_SOURCES = frozenset({"checks", "flaky", "issues", "pull_requests", "releases", "advisories"})
TITLE, SUMMARY, DETAIL = 200, 400, 8_000
"""Bounds of an item's texts in characters."""
FILTERS: Mapping[str, Mapping[str, str]] = {
    "checks": {"workflow": "", "job": ""},
    "flaky": {"workflow": "", "runs": "1-100"},
    "issues": {"labels": "", "author": "", "assignee": "", "changed": "since|any"},
    "pull_requests": {"labels": "", "author": "", "idle_days": "1-1000", "draft": "yes|no"},
    "commits": {"author": "", "path": ""},
    "releases": {},
    "tickets": {"team": "", "columns": "", "labels": "", "project": "", "changed": "since|any"},
    "advisories": {"severity": "", "ecosystem": "", "scope": "runtime|development"},
}
"""The keys of a source's filter, with the form of their values: any text, a range of numbers, or the allowed ones."""
_URGENT = re.compile(r"\b(urgent|critical|security|blocker|outage|p0|sev[-:]?[01])\b", re.IGNORECASE)
_HIGH = re.compile(r"\b(bug|regression|high|p1|sev[-:]?2)\b", re.IGNORECASE)


@dataclass(frozen=True)
class SourceQuery:
    """A source to read. `branch` is the base branch, `since` the time of the last reading (0: the first one), `now` the
    present; both are Unix seconds. `filter` is checked by `find_filter_problem`; `limit` is the most items."""

    kind: str
    repository: str
    branch: str
    since: float
    now: float
    filter: Mapping[str, str] = field(default_factory=dict)
    limit: int = 50

    def names(self, key: str) -> tuple[str, ...]:
        """The names of a filter with commas, in lower case."""
        return tuple(name.strip().lower() for name in self.filter.get(key, "").split(",") if name.strip())

    def matches(self, key: str, *present: str) -> bool:
        """Whether one of these names is in the filter, or there is no filter of this key."""
        wanted = self.names(key)
        return not wanted or any(name.lower() in wanted for name in present)

    def count_days(self, at: float) -> int:
        """Whole days from `at` to the present."""
        return max(int((self.now - at) // 86_400), 0)


@dataclass(frozen=True)
class SourceReading:
    """The items of a source; `problems` are sentences about parts that could not be read, `notes` those about bounds,
    both without a full stop."""

    items: tuple[SourceItem, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_filter_problem(kind: str, given: Mapping[str, str]) -> str:
    """Why a filter cannot be used, in one sentence without a full stop; empty if it can."""
    if kind == "tool":
        return ""  # its filter is the arguments of the tool
    known = FILTERS.get(kind, {})
    for key, text in given.items():
        if key not in known:
            return f"the source {kind} has no filter {key!r}: {f'it has {_list(known)}' if known else 'it has none'}"
        allowed = known[key]
        first, _, last = allowed.partition("-")
        if last and not (text.isdecimal() and int(first) <= int(text) <= int(last)):
            return f"the filter {key} of the source {kind} is {text!r}: set a number from {first} to {last}"
        if "|" in allowed and text not in allowed.split("|"):
            return f"the filter {key} of the source {kind} is {text!r}: set {_list(allowed.split('|'), ' or ')}"
    return ""


def rate_labels(labels: Collection[str]) -> Severity:
    """The severity that labels of an issue or ticket express."""
    if any(_URGENT.search(label) for label in labels):
        return "urgent"
    return "high" if any(_HIGH.search(label) for label in labels) else "normal"


def _list(names: Collection[str], last: str = " and ") -> str:
    *first, end = names
    return f"{', '.join(first)}{last}{end}" if first else end
