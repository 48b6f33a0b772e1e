"""The commands `audit verify` and `audit show`. Called by the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from redis import Redis
from redis.exceptions import RedisError

from jobs.config.settings import Settings
from jobs.runtime.audit import FOLDER, Head, name_chain, read_head
from jobs.runtime.audit_check import read_records, verify_chain

_OWN = ("n", "prev", "at", "kind", "ticket")


def verify_audit(settings: Settings, redis: Redis, out: TextIO) -> int:
    """Print whether the chain is sound, or the first bad place; returns the exit code, 1 for a bad chain."""
    report = verify_chain(settings.home / FOLDER, _find_head(settings, redis))
    out.writelines(f"{note}\n" for note in report.notes)
    if report.problem:
        out.write(f"{report.problem}\n")
        return 1
    out.write(f"The audit journal is sound: {report.lines} lines, newest {format_head(report.head)}.\n")
    return 0


def show_audit(settings: Settings, identifier: str, out: TextIO) -> int:
    """Print all lines about a ticket, the oldest first."""
    count = 0
    for count, record in enumerate(read_records(settings.home / FOLDER, identifier), 1):  # noqa: B007 - used below
        out.write(f"{_format_record(record)}\n")
    out.write(f"{count} lines about {identifier}.\n")
    return 0


def format_head(head: Head) -> str:
    """Number and the beginning of the hash."""
    return f"{head.number} {head.digest[:16]}"


def describe_head(settings: Settings, redis: Redis) -> str:
    """The newest line in one sentence, for `status`; empty before the first."""
    head = read_head(redis, name_chain(settings.home))
    return f"Audit journal: newest line {format_head(head)}." if head else ""


def _find_head(settings: Settings, redis: Redis) -> Head | None:
    try:
        return read_head(redis, name_chain(settings.home))
    except RedisError:
        return None


def _format_record(record: Mapping[str, Any]) -> str:
    when = datetime.fromtimestamp(float(record["at"]), UTC).isoformat(timespec="seconds")
    facts = [f"{name}={_format_value(value)}" for name, value in record.items() if name not in _OWN]
    line = f"{record['n']:>8}  {when}  {record.get('kind', '-'):<11} {' '.join(facts)}"
    return "".join(c for c in line if c.isprintable())


def _format_value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
