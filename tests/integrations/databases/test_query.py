"""Queries of agents against a real PostgreSQL and real SQLite files: only reads, within bounds, without credentials."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from integrations.databases.query import query_database
from integrations.errors import Rejected
from tests.support.postgres import PASSWORD, run_postgres

SETUP = """
create table orders (id int primary key, customer text, cents numeric);
insert into orders select n, 'customer ' || n, n * 1.5 from generate_series(1, 300) n;
create role reader login password 'reader-p4ss'; grant select on orders to reader;
create role writer login password 'writer-p4ss'; grant select, insert on orders to writer;
create role filer login password 'f'; grant pg_read_server_files to filer;
"""
WRITES = {
    "insert": "insert into orders values (999, 'x', 1)",
    "delete in a with": "with gone as (delete from orders returning id) select * from gone",
    "second statement": "select 1; delete from orders",
    "commit first": "select 1; commit; delete from orders",
    "create": "create table mine (n int)",
    "copy": "copy orders to stdout",
    "lock of rows": "select * from orders for update",
    "explain analyze": "explain analyze delete from orders",
    "set": "set transaction read write",
    "set by a function": "select set_config('transaction_read_only', 'off', true)",
    "do block": "do $$ begin delete from orders; end $$",
}


@pytest.fixture(scope="module")
def owner() -> Iterator[str]:
    with run_postgres() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SETUP)
        yield url


def of_role(owner: str, role: str, password: str) -> str:
    return owner.replace(f"owner:{PASSWORD}", f"{role}:{password}")


@pytest.fixture
def reader(owner: str) -> str:
    return of_role(owner, "reader", "reader-p4ss")


@pytest.fixture
def file(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("create table orders (id integer primary key, customer text, data blob)")
        connection.executemany("insert into orders values (?, ?, ?)", [(n, f"c{n}", b"\x01") for n in range(1, 301)])
    return f"sqlite://{tmp_path}/shop.db"


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from orders").fetchone()
    return int(row[0]) if row else -1


def test_query_of_postgresql_returns_columns_and_rows(reader: str) -> None:
    result = query_database(reader, "select id, customer, null as note from orders where id < 3 order by id", 10, 5)
    assert result.columns == ("id", "customer", "note") and not result.has_more
    assert result.rows == (("1", "customer 1", None), ("2", "customer 2", None))


def test_query_of_postgresql_can_contain_percent_signs(reader: str) -> None:
    assert query_database(reader, "select count(*) from orders where customer like '%9'", 1, 5).rows == (("30",),)


def test_query_of_postgresql_is_bounded_in_rows_and_size(reader: str) -> None:
    result = query_database(reader, "select * from orders", 100, 5)
    assert len(result.rows) == 100 and result.has_more
    wide = query_database(reader, "select repeat('x', 100000) from orders", 1_000, 5)
    assert wide.has_more and sum(len(row[0] or "") for row in wide.rows) <= 30_000


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
def test_query_of_postgresql_that_writes_is_refused_by_the_database(owner: str, reader: str, sql: str) -> None:
    before = count(owner)
    with pytest.raises(Rejected, match="refuses the query"):
        query_database(reader, sql, 10, 5)
    assert count(owner) == before


def test_query_of_a_role_that_can_write_is_refused(owner: str) -> None:
    for url in (owner, of_role(owner, "filer", "f")):
        with pytest.raises(Rejected, match=r"more rights than reading.*create role reader"):
            query_database(url, "select 1", 1, 5)
    with pytest.raises(Rejected, match="can write to orders"):
        query_database(of_role(owner, "writer", "writer-p4ss"), "select 1", 1, 5)


def test_query_of_postgresql_ends_at_its_time_limit(reader: str) -> None:
    began = time.monotonic()
    with pytest.raises(Rejected, match="statement timeout"):
        query_database(reader, "select pg_sleep(60)", 1, 0.3)
    with pytest.raises(Rejected, match="statement timeout"):
        query_database(reader, "select set_config('statement_timeout', '0', false), pg_sleep(60)", 1, 0.3)
    assert time.monotonic() - began < 20


def test_query_with_wrong_credentials_names_the_cause_without_the_password(owner: str) -> None:
    with pytest.raises(Rejected, match=r"cannot be reached.*password authentication failed") as raised:
        query_database(of_role(owner, "reader", "not-the-p4ssword"), "select 1", 1, 5)
    assert "not-the-p4ssword" not in str(raised.value)
    with pytest.raises(Rejected, match="cannot be reached"):
        query_database("postgresql://reader:x@127.0.0.1:1/shop", "select 1", 1, 5)


def test_query_of_postgresql_with_a_huge_value_ends_the_child_alone(reader: str) -> None:
    with pytest.raises(Rejected, match=r"memory|refuses the query|was ended"):
        query_database(reader, "select repeat('x', 1000000000)", 1, 0.2)


def test_query_of_sqlite_returns_columns_and_rows(file: str) -> None:
    result = query_database(file, "select id, customer, data from orders order by id", 2, 5)
    assert (result.columns, result.rows) == (("id", "customer", "data"), (("1", "c1", "01"), ("2", "c2", "01")))
    assert result.has_more
    schema = query_database(file, "select name from pragma_table_info('orders')", 10, 5)
    assert schema.rows == (("id",), ("customer",), ("data",))


@pytest.mark.parametrize(
    "sql",
    [
        "insert into orders values (999, 'x', null)",
        "select 1; delete from orders",
        "attach database '/etc/passwd' as other",
        "pragma query_only = off",
        "update sqlite_master set sql = ''",
        "pragma journal_mode = delete",
        "vacuum into '/tmp/copy.db'",
        "select load_extension('/tmp/evil.so')",
        "create temp table t (n int)",
    ],
)
def test_query_of_sqlite_that_writes_is_refused_by_the_database(file: str, sql: str) -> None:
    with pytest.raises(Rejected, match="refuses the query"):
        query_database(file, sql, 10, 5)
    assert query_database(file, "select count(*) from orders", 1, 5).rows == (("300",),)


def test_query_of_sqlite_ends_at_its_limits(file: str) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"
    with pytest.raises(Rejected, match="interrupted"):
        query_database(file, endless, 1, 0.3)
    with pytest.raises(Rejected, match="too big"):
        query_database(file, "select zeroblob(1000000000)", 1, 5)


def test_query_of_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as one" * 20)
    for url in (f"sqlite://{tmp_path}/notes.txt", f"sqlite://{tmp_path}/missing.db"):
        with pytest.raises(Rejected, match="cannot be reached"):
            query_database(url, "select 1", 1, 5)
    assert not (tmp_path / "missing.db").exists()
