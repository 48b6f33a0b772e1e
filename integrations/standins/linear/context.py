"""What every resolver gets: who asks, the rows, and the one way to write.

Made once per request by `execute`. `write` is called by the mutations with the store's lock held.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from integrations.standins.linear.errors import conflict, invalid, not_found
from integrations.standins.linear.store import Row, Store


@dataclass(frozen=True)
class Change:
    """One row made, changed or gone; `before` is the row as it was."""

    action: Literal["create", "update", "remove"]
    row: Row
    before: Row | None = None


@dataclass(frozen=True)
class Context:
    """`base_url` is where people reach the board, without a slash at the end."""

    store: Store
    viewer: Row
    base_url: str
    allowance: Sequence[Mapping[str, Any]]
    announce: Callable[[Context, str, Change], None]

    def find(self, kind: str, row_id: str | None) -> Row:
        """The row. Raises Linear's "Entity not found"."""
        row = self.store.get(kind, row_id)
        if row is None:
            raise not_found(kind)
        return row

    def find_issue(self, name: str | None) -> Row:
        """The issue by UUID or by identifier as `ENG-123`."""
        key, _, number = (name or "").rpartition("-")
        if not number.isdecimal():
            return self.find("Issue", name)
        for row in self.store.rows("Issue"):
            if row["number"] == int(number) and self.find("Team", row["teamId"])["key"] == key.upper():
                return row
        return self.find("Issue", name)

    def new_id(self, kind: str, wanted: str | None) -> str:
        """The id the client chose, or a fresh one. Raises Linear's conflict when it exists."""
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
        entity_id: str,
        *changes: Change,
        also: Sequence[Row] = (),
        gone: Sequence[Row] = (),
    ) -> int:
        """Log and apply one write, then announce its changes to the webhooks; returns the sync id.

        `also` are further rows to keep, `gone` those to drop; neither is announced."""
        rows = [change.row for change in changes if change.action != "remove"]
        sync_id = self.store.commit(self.viewer["id"], operation, dict(input), entity_id, [*rows, *also], gone)
        for change in changes:
            self.announce(self, operation, change)
        return sync_id

    def drop(self, operation: str, kind: str, row_id: str) -> dict[str, Any]:
        """Delete one row for good; returns Linear's `DeletePayload`."""
        row = self.find(kind, row_id)
        sync_id = self.write(operation, {"id": row_id}, row_id, Change("remove", row), gone=[row])
        return {"success": True, "lastSyncId": sync_id, "entityId": row_id}

    def stamp(self, kind: str, row_id: str, **columns: Any) -> Row:
        """A new row with the columns that all kinds have."""
        at = self.store.now()
        return {"__typename": kind, "id": row_id, "createdAt": at, "updatedAt": at, "archivedAt": None, **columns}

    def touched(self, row: Row, **columns: Any) -> Row:
        """A copy of the row with these columns set and `updatedAt` moved."""
        return {**row, "updatedAt": self.store.now(), **columns}


def must_be_uuid4(field: str, value: str) -> None:
    """Raise Linear's "Argument Validation Error" for anything but a UUID of version 4."""
    try:
        version = uuid.UUID(value).version
    except ValueError:
        version = None
    if version != 4:
        raise invalid(field, "isUuid", f"{field} must be a UUID")
