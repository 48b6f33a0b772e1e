"""Repair commands of the operator: `python -m service rebuild|dead|redrive`. Called by the command line.

They can run while Loopline is running. Each writes one line per ticket or item to `out` and returns the exit code.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TextIO

from redis import Redis

from integrations.errors import IntegrationError
from jobs.config.settings import Settings
from jobs.effects.build import build_world
from jobs.recovery.rebuild import rebuild
from jobs.store.dead_letters import DeadLetter, DeadLetters
from jobs.store.tickets import Store


def rebuild_loops(settings: Settings, redis: Redis, out: TextIO, *, dry_run: bool) -> int:
    """Restore loops that are missing in Redis from the board; with `dry_run` only list them."""
    found = 0
    try:
        for ticket, line in rebuild(build_world(settings, redis), dry_run=dry_run):
            found += 1
            out.write(f"{ticket.identifier}: {line}\n")
    except IntegrationError as error:
        out.write(f"Not finished: {error}\n")
        return 1
    out.write(f"{found} tickets with a board memory{', nothing was changed' if dry_run else ''}.\n")
    return 0


def list_dead_letters(redis: Redis, out: TextIO) -> int:
    """Print all dead letters with time, ticket, cause and payload, oldest first."""
    letters = DeadLetters(redis).all()
    for letter in letters:
        when = datetime.fromtimestamp(letter.at, UTC).isoformat(timespec="seconds")
        out.write(f"{letter.id}  {when}  {letter.identifier or letter.ticket_id or '-'}  {letter.kind}\n")
        out.write(f"    {' '.join(letter.cause.split())[:300]}\n")
        out.write(f"    {letter.item or json.dumps(letter.fields)}\n")
    out.write(f"{len(letters)} dead letters.\n")
    return 0


def redrive(redis: Redis, out: TextIO, wanted: str | None) -> int:
    """Retry the dead letter with the id `wanted`, or all when it is None. Idempotent."""
    letters = [letter for letter in DeadLetters(redis).all() if wanted in (None, letter.id)]
    out.writelines(f"{letter.id}: {_redrive_one(redis, letter)}\n" for letter in letters)
    if wanted and not letters:
        out.write(f"No dead letter has the id {wanted}.\n")
        return 1
    return 0


def _redrive_one(redis: Redis, letter: DeadLetter) -> str:
    loop = Store(redis).load(letter.ticket_id) if letter.ticket_id else None
    if loop and letter.generation not in (None, loop.generation):
        return f"skipped: it belongs to generation {letter.generation}, the ticket is at generation {loop.generation}"
    done = DeadLetters(redis).redrive(letter)
    return f"{letter.kind} queued for retry" if done else "already retried"
