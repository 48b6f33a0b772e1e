"""Where records live: in memory, and in one append-only file that a restart reads back. Used by `hub` only.

It knows nothing of GitHub. The last line of a record wins, so an update is one more line and a kill loses at most it.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar, cast

from integrations.standins.github.records import KINDS, Record
from integrations.standins.wire import cut_torn_line, read_json_lines

Kind = TypeVar("Kind", bound=Record)


class Store:
    """`version` grows with every write; pages use it to see that something is new."""

    def __init__(self, path: Path) -> None:
        self.version = 0
        self._path = path
        self._lock = threading.RLock()
        self._tables: dict[type[Record], dict[int, Record]] = {kind: {} for kind in KINDS.values()}
        self._last_id = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        cut_torn_line(path)
        for line in read_json_lines(path):
            self._keep(KINDS[line["kind"]](**line["record"]))

    def new_id(self) -> int:
        """An id that no record has."""
        with self._lock:
            self._last_id += 1
            return self._last_id

    def put(self, record: Record) -> None:
        """Add the record, or replace the one with its id."""
        line = json.dumps({"kind": type(record).__name__, "record": asdict(record)}, ensure_ascii=False)
        with self._lock, self._path.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")
            self._keep(record)

    def get(self, kind: type[Kind], id: int) -> Kind | None:
        """The record with this id, None where there is none."""
        return cast("Kind | None", self._tables[kind].get(id))

    def all(self, kind: type[Kind], **same: object) -> list[Kind]:
        """The records whose fields equal `same`, oldest first."""
        with self._lock:
            records = cast("list[Kind]", list(self._tables[kind].values()))
        return [one for one in records if all(getattr(one, name) == value for name, value in same.items())]

    def _keep(self, record: Record) -> None:
        self.version += 1
        self._tables[type(record)][record.id] = record
        self._last_id = max(self._last_id, record.id)
