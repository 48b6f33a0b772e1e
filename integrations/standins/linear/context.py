"""The input of every resolver: the caller, the rows, and the only way to write, with the store's lock held."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from integrations.standins.linear.errors import conflict, invalid, not_found
from integrations.standins.linear.store import Row, Store


@dataclass(frozen=True)
class Change:
    """One row created, updated or removed; `before` is the row as it was."""

    action: Literal["create", "update", "remove"]
    row: Row
    before: Row | None = None


@dataclass(frozen=True)
class Context:
    """`base_url` is the address of the board's pages, without a trailing slash. `bot` names an integration that acts,
    empty for an automation of the board, None for the viewer."""

    store: Store
    viewer: Row
    base_url: str
    announce: Callable[[Context, str, Change], None]
    bot: str | None = None

    def find(self, kind: str, row_id: str | None) -> Row:
        """The row. Raises Linear's "Entity not found"."""
        row = self.store.get(kind, row_id)
        if row is None:
            raise not_found(kind)
        return row

    def sees(self, team_id: str) -> bool:
        """Whether the viewer has access to the team."""
        return self.viewer["id"] not in (self.store.get("Team", team_id) or {}).get("hiddenFrom", [])

    def find_issue(self, name: str | None) -> Row:
        """The issue by UUID or by identifier, as `ENG-123`. Raises "Entity not found" without access to its team."""
        found = self._find_issue(name)
        if not self.sees(found["teamId"]):
            raise not_found("Issue")
        return found

    def _find_issue(self, name: str | None) -> Row:
        key, _, number = (name or "").rpartition("-")
        if not number.isdecimal():
            return self.find("Issue", name)
        for row in self.store.rows("Issue"):
            if row["number"] == int(number) and self.find("Team", row["teamId"])["key"] == key.upper():
                return row
        return self.find("Issue", name)

    def related(self, kind: str, column: str, row: Row) -> list[Row]:
        """The rows of a kind whose `column` holds the id of `row`."""
        return [other for other in self.store.rows(kind) if other[column] == row["id"]]

    def new_id(self, kind: str, wanted: str | None) -> str:
        """The id that the client chose, or a fresh one. Raises Linear's conflict when it exists."""
        if wanted is None:
            return str(uuid.uuid4())
        must_be_uuid4("id", wanted)
        if self.store.get(kind, wanted):
            raise conflict(kind, wanted)
        return wanted

    def write(
        self,
        operation: str,
        input: Mapping[str, Any],
        change: Change,
        also: Sequence[Row] = (),
        gone: Sequence[Row] = (),
    ) -> None:
        """Log and apply one write, then send its webhooks.

        `also` are further rows to keep, `gone` rows to delete; neither is announced."""
        kept = [] if change.action == "remove" else [change.row]
        self.store.commit(self.viewer["id"], operation, dict(input), change.row["id"], [*kept, *also], gone)
        self.announce(self, operation, change)

    def stamp(self, kind: str, row_id: str, **columns: Any) -> Row:
        """A new row with the columns that all kinds have."""
        return new_row(kind, row_id, self.store.now(), **columns)

    def touched(self, row: Row, **columns: Any) -> Row:
        """A copy of the row with these columns set and a new `updatedAt`."""
        return {**row, "updatedAt": self.store.now(), **columns}


def new_row(kind: str, row_id: str, at: str, **columns: Any) -> Row:
    """A row of any kind, created at `at`."""
    return {"__typename": kind, "id": row_id, "createdAt": at, "updatedAt": at, "archivedAt": None, **columns}


def must_be_uuid4(field: str, value: str) -> None:
    """Raise Linear's "Argument Validation Error" for anything but a UUID of version 4."""
    try:
        version = uuid.UUID(value).version
    except ValueError:
        version = None
    if version != 4:
        raise invalid(field, "isUuid", f"{field} must be a UUID")


def slug(title: str) -> str:
    """A title as it appears in an address or a branch: 'Retry the export!' is 'retry-the-export'. At most 50
    characters."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return words[:50].rstrip("-")


def identifier(context: Context, issue: Row) -> str:
    """As `ENG-123`."""
    return f"{context.find('Team', issue['teamId'])['key']}-{issue['number']}"


def workspace_url(context: Context) -> str:
    """The address of the workspace's pages."""
    return f"{context.base_url}/{context.store.rows('Organization')[0]['urlKey']}"


def issue_url(context: Context, issue: Row) -> str:
    """The issue's page; the slug at the end is optional."""
    return f"{workspace_url(context)}/issue/{identifier(context, issue)}/{slug(issue['title'])}"


def profile_url(context: Context, user: Row) -> str:
    """The person's page; as plain text in a comment it is a mention."""
    return f"{workspace_url(context)}/profiles/{user['displayName']}"


def branch_name(context: Context, issue: Row) -> str:
    """The branch that Linear proposes to the caller: 'ana/eng-1-retry-the-export'."""
    return f"{slug(context.viewer['displayName'])}/{identifier(context, issue).lower()}-{slug(issue['title'])}"
