"""Runs a query of an agent in a child process that has the URL of the database; the caller keeps it from agents.

The child has an empty environment, bounds of memory and files, and is killed at its time limit. Called by
`jobs.effects.host_tools`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from integrations.errors import Rejected

PROGRAM = Path(__file__).with_name("program.py")
GRACE_SECONDS = 7.0
"""Beyond the time limit of the query, for the start of the child and the connection."""


@dataclass(frozen=True)
class QueryResult:
    """The columns and the rows as texts, None for NULL. `has_more`: rows were left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    has_more: bool


def query_database(url: str, sql: str, rows: int, seconds: float) -> QueryResult:
    """Run one SELECT, at most `rows` rows. `url` is that of PostgreSQL, or sqlite:///path.

    Raises `Rejected` with a sentence, without the URL's password."""
    request = json.dumps({"url": url, "sql": sql, "rows": rows, "seconds": seconds})
    command = [sys.executable, "-I", str(PROGRAM)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        cwd="/",
        start_new_session=True,
    ) as child:
        try:
            output, _ = child.communicate(request.encode(), timeout=seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Rejected(f"The query took more than {seconds:g} s and was ended; ask for less.") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    try:
        answer = json.loads(output)
    except ValueError:
        raise Rejected("The query ended without a result: it needs too much memory; select less.") from None
    if "error" in answer:
        raise Rejected(answer["error"])
    return QueryResult(tuple(answer["columns"]), tuple(map(tuple, answer["rows"])), answer["more"])
