"""The child process that runs one query: a JSON request on standard input, a JSON answer on standard output.

Started by `integrations.databases.query` with an empty environment; imports nothing of Loopline. The database decides
that a query only reads: PostgreSQL gets it as the definition of a cursor in a read-only transaction, from a role that
cannot write; SQLite compiles it under an authorizer.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlsplit

MEMORY, FILE_BYTES = 1 << 30, 1 << 20
MOST_CHARACTERS, CELL_CHARACTERS = 30_000, 500
CONNECT_SECONDS = 5
_RISKY_ROLES = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_write_all_data")
_ROLE = """
select rolsuper or rolcreaterole or rolcreatedb or rolreplication
  or exists (select from pg_roles g where g.rolname = any(%s) and pg_has_role(r.oid, g.oid, 'member'))
from pg_roles r where r.rolname = current_user
"""
_WRITABLE = """
select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'insert, update, delete, truncate')
limit 1
"""
_READ_ROLE = "give LOOPLINE_DATABASES a role that can only read, as: create role reader login in role pg_read_all_data"
_SQLITE_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_SQLITE_PRAGMAS = {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"}


class Refused(Exception):
    """The query is not run; the message is a sentence for people."""


def main() -> None:
    """Answer with `columns`, `rows` and `more`, or with `error`."""
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, FILE_BYTES), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    request = json.load(sys.stdin)
    run = _run_sqlite if request["url"].startswith("sqlite:") else _run_postgresql
    try:
        answer = run(request["url"], request["sql"], request["rows"], request["seconds"])
    except Refused as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": f"The result needs more than {MEMORY >> 20} MiB of memory; select less."}
    password = unquote(urlsplit(request["url"]).password or "")
    if password and "error" in answer:
        answer["error"] = answer["error"].replace(password, "[secret]")
    sys.stdout.write(json.dumps(answer))


def _run_postgresql(url: str, sql: str, most: int, seconds: float) -> dict[str, Any]:
    import psycopg  # the driver is loaded in this process alone

    try:
        connection = psycopg.connect(url, connect_timeout=CONNECT_SECONDS, application_name="loopline")
    except psycopg.Error as error:
        raise Refused(f"The database cannot be reached: {_shorten(error)}") from None
    with connection:
        connection.read_only = True
        try:
            connection.execute(f"set local statement_timeout = {int(seconds * 1000)}")
            _check_role(connection.execute)
            # The extended protocol takes one statement, and a cursor only a query without data-modifying parts.
            connection.execute(f"declare query no scroll cursor for {sql}", prepare=True)
            cursor = connection.execute(f"fetch {most + 1} from query")
            return _collect([column.name for column in cursor.description or ()], cursor, most)
        except psycopg.Error as error:
            raise Refused(f"The database refuses the query: {_shorten(error)}") from None
        finally:
            connection.rollback()


def _check_role(execute: Callable[..., Any]) -> None:
    """Raise `Refused` for a role that could do more than read."""
    if execute(_ROLE, [list(_RISKY_ROLES)]).fetchone() != (False,):
        raise Refused(f"The role of this connection has more rights than reading; {_READ_ROLE}.")
    if found := execute(_WRITABLE).fetchone():
        raise Refused(f"The role of this connection can write to {found[0]}; {_READ_ROLE}.")


def _run_sqlite(url: str, sql: str, most: int, seconds: float) -> dict[str, Any]:
    path, until = unquote(urlsplit(url).path), time.monotonic() + seconds
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None)
        connection.execute("pragma query_only = on")
        connection.execute("pragma temp_store = memory")
        connection.execute("select 1 from sqlite_schema limit 1")
    except sqlite3.Error as error:
        raise Refused(f"The database cannot be reached: {_shorten(error)}") from None
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        cursor = connection.execute(sql)
        return _collect([column[0] for column in cursor.description or ()], cursor, most)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise Refused(f"The database refuses the query: {_shorten(error)}") from None


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """SQLite's own decision about each part of a statement: reads, functions but for extensions, and schema pragmas,
    whose virtual tables are declared as an update of the schema; a real one is refused, as the file is read-only."""
    is_function = action == sqlite3.SQLITE_FUNCTION and second not in ("load_extension", "writefile", "readfile")
    is_schema = action == sqlite3.SQLITE_PRAGMA and first in _SQLITE_PRAGMAS
    is_schema = is_schema or (action == sqlite3.SQLITE_UPDATE and first == "sqlite_master")
    return sqlite3.SQLITE_OK if action in _SQLITE_READS or is_function or is_schema else sqlite3.SQLITE_DENY


def _collect(columns: Sequence[str], rows: Iterable[Sequence[Any]], most: int) -> dict[str, Any]:
    """At most `most` rows and `MOST_CHARACTERS`; `more` if there are others."""
    kept, size = list[list[str | None]](), 0
    for row in rows:
        cells = [_show(cell) for cell in row]
        size += sum(len(cell or "") + 4 for cell in cells)
        if len(kept) >= most or size > MOST_CHARACTERS:
            return {"columns": list(columns), "rows": kept, "more": True}
        kept.append(cells)
    return {"columns": list(columns), "rows": kept, "more": False}


def _show(cell: object) -> str | None:
    if cell is None:
        return None
    text = cell[:CELL_CHARACTERS].hex() if isinstance(cell, bytes) else str(cell)
    return text if len(text) <= CELL_CHARACTERS else f"{text[:CELL_CHARACTERS]}…"


def _shorten(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


if __name__ == "__main__":
    main()
