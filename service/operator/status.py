"""`python -m service status`: what every loop is doing, one line each, or as JSON. Called by the command line only.

Reads only; made from the dashboard's values, so that both say the same.
"""

from __future__ import annotations

import json
from typing import TextIO

from redis import Redis

from jobs.config.settings import Settings
from service.dashboard.overview import Row
from service.dashboard.reader import Reader


def show_status(settings: Settings, redis: Redis, out: TextIO, *, as_json: bool) -> int:
    """All loops, those that need a person first; returns the exit code."""
    rows = Reader(redis, settings).rows()
    if as_json:
        out.write(json.dumps([row.model_dump(mode="json") for row in rows], ensure_ascii=False) + "\n")
        return 0
    out.writelines(line(row) + "\n" for row in rows)
    out.write(f"{len(rows)} loops.\n")
    return 0


def line(row: Row) -> str:
    """Identifier, stage, where it stands, money, and why it waits."""
    round_ = (
        f"attempt {row.attempt}/{row.attempts} iteration {row.iteration}/{row.iterations}" if row.iteration else "-"
    )
    money = f"${row.usage.cost_usd:.2f} of ${row.cap_usd:.2f}"
    return f"{row.identifier:<9} {row.stage_text:<30} {round_:<29} {money:<18} {_why(row)}".rstrip()


def _why(row: Row) -> str:
    """One line of somebody's text: control characters would move the reader's cursor."""
    call = row.escalation
    said = [f"{call.text} (called {call.raised}x, {'seen' if call.acknowledged else 'not seen'}):"] if call else []
    words = " ".join([*said, row.now or row.reason]).split()
    return "".join(c for c in " ".join(words) if c.isprintable())[:160]
