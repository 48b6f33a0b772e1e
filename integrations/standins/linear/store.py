"""The state of the stand-in: rows in memory, and the log of writes from which a restart rebuilds them.

Callers hold `lock`. A row is a dict with `__typename`, `id` and Linear's raw column names (`stateId`, `labelIds`). One
line of `writes.jsonl` is one accepted write with the rows after it, so the log and the state cannot disagree.
"""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from integrations.standins.wire import cut_torn_line, read_json_lines

Row = dict[str, Any]
SEEDED = "seed"


class Store:
    """All rows of one workspace. `changed` is notified after each write; `version` counts them."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 0
        self._path = path
        self._tables: dict[str, dict[str, Row]] = defaultdict(dict)
        self._gone: set[str] = set()
        self._last = datetime.fromtimestamp(0, UTC)
        self.ahead = timedelta()
        """How far the clock is ahead of the host's, which tests set."""
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT, 0o600))
        cut_torn_line(path)
        for line in read_json_lines(path):
            self._apply(line["rows"], line["gone"])
            self._last = datetime.fromisoformat(line["at"])

    def get(self, kind: str, row_id: str | None) -> Row | None:
        """The row, None when there is none. Do not mutate it: write a new one."""
        return self._tables[kind].get(row_id or "")

    def rows(self, kind: str) -> list[Row]:
        """All rows of a kind in the order of their creation."""
        return list(self._tables[kind].values())

    def now(self) -> str:
        """ISO 8601 in UTC with milliseconds; never the same twice, so that `updatedAt` orders all writes."""
        self._last = max(datetime.now(UTC) + self.ahead, self._last + timedelta(milliseconds=1))
        return self._last.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def commit(
        self, actor: str, operation: str, input: Any, result: str, rows: Sequence[Row], gone: Sequence[Row] = ()
    ) -> None:
        """Log one write and apply it."""
        names = [[row["__typename"], row["id"]] for row in gone]
        entry = {"at": self.now(), "actor": actor, "operation": operation, "input": input, "result": result}
        with self.changed:
            with self._path.open("a", encoding="utf-8") as log:
                log.write(json.dumps({**entry, "rows": list(rows), "gone": names}, ensure_ascii=False) + "\n")
            self._apply(rows, names)
            self.changed.notify_all()

    def plant(self, rows: Iterable[Row]) -> None:
        """Add the seed's rows that never existed; rows that were changed or deleted since are left alone."""
        absent = [row for row in rows if row["id"] not in self._gone and not self.get(row["__typename"], row["id"])]
        if absent:
            self.commit("", SEEDED, {}, "", absent)

    def entries(self) -> list[dict[str, Any]]:
        """The accepted writes, oldest first: at, actor, operation, input, result (the id)."""
        with self.lock:
            lines = [line for line in read_json_lines(self._path) if line["operation"] != SEEDED]
        return [{key: value for key, value in line.items() if key not in ("rows", "gone")} for line in lines]

    def _apply(self, rows: Iterable[Row], gone: Iterable[Sequence[str]]) -> None:
        for row in rows:
            self._tables[row["__typename"]][row["id"]] = row
        for kind, row_id in gone:
            self._tables[kind].pop(row_id, None)
            self._gone.add(row_id)
        self.version += 1
