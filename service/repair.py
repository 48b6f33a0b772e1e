"""Repairs that a person orders: `python -m service rebuild`. Called by the command line only.

Works beside a running Loopline. Writes one line per ticket to `out`, and returns the exit code.
"""

from __future__ import annotations

from typing import TextIO

from redis import Redis

from integrations.errors import IntegrationError
from jobs.build import build
from jobs.rebuild import rebuild
from jobs.settings import Settings


def rebuild_loops(settings: Settings, redis: Redis, out: TextIO, *, dry_run: bool) -> int:
    """Restore the loops that Redis does not know from the board; with `dry_run` only say which and how."""
    found = 0
    try:
        for ticket, line in rebuild(build(settings, redis), dry_run=dry_run):
            found += 1
            out.write(f"{ticket.identifier}: {line}\n")
    except IntegrationError as error:
        out.write(f"Not finished: {error}\n")
        return 1
    out.write(f"{found} tickets with a board memory{', nothing was changed' if dry_run else ''}.\n")
    return 0
