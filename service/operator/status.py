"""`python -m service status`: the state of every loop, one line each, or as JSON. Called by the command line.

Reads only. It uses the same rows as the dashboard.
"""

from __future__ import annotations

import json
from typing import TextIO

from redis import Redis

from jobs.config.settings import Settings
from service.dashboard.overview import ROWS, Row
from service.dashboard.reader import Reader


def show_status(settings: Settings, redis: Redis, out: TextIO, *, as_json: bool) -> int:
    """Print all loops, those that need a person first; returns the exit code."""
    rows = Reader(redis, settings).rows()
    if as_json:
        out.write(json.dumps(ROWS.to_builtins(rows), ensure_ascii=False) + "\n")
        return 0
    out.writelines(format_row(row) + "\n" for row in rows)
    out.write(f"{len(rows)} loops.\n")
    return 0


def format_row(row: Row) -> str:
    """Format identifier, stage, attempt and iteration, money, and reason."""
    round_ = (
        f"attempt {row.attempt}/{row.attempts} iteration {row.iteration}/{row.iterations}" if row.iteration else "-"
    )
    money = f"${row.usage.cost_usd:.2f} of ${row.cap_usd:.2f}"
    return f"{row.identifier:<9} {row.stage_text:<30} {round_:<29} {money:<18} {_format_reason(row)}".rstrip()


def _format_reason(row: Row) -> str:
    """Format escalation and reason as one line, without control characters, which could move the cursor."""
    call = row.escalation
    prefix = [f"{call.text} (raised {call.raised}x, {'seen' if call.acknowledged else 'not seen'}):"] if call else []
    parts = " ".join([*prefix, row.now or row.reason]).split()
    return "".join(c for c in " ".join(parts) if c.isprintable())[:160]
