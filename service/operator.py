"""Commands for the operator: status, rebuild, dead letters. Called by the command line.

They can run while Loopline is running. Each writes one line per problem, ticket or item, and returns the exit code.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TextIO

from redis import Redis

from integrations.errors import IntegrationError
from jobs.config.settings import Settings
from jobs.effects.build import build_world
from jobs.recovery.rebuild import rebuild
from jobs.runtime.audit import AuditJournal
from jobs.runtime.keys import BOUNDS
from jobs.runtime.run_folders import describe_ended, reclaim
from jobs.runtime.scripts import decode
from jobs.store.dead_letters import DeadLetter, DeadLetters
from jobs.store.tickets import Store
from service.audit import describe_head
from service.dashboard.overview import ROWS, Row
from service.dashboard.reader import Reader
from service.dashboard.skills import SKILLS, ShownLesson
from service.switch import find_operator


def show_status(settings: Settings, redis: Redis, out: TextIO, *, as_json: bool) -> int:
    """Print what pauses all loops, then the loops, those that need a person first; returns the exit code."""
    reader = Reader(redis, settings)
    rows = reader.rows()
    if as_json:
        out.write(json.dumps(ROWS.to_builtins(rows), ensure_ascii=False) + "\n")
        return 0
    out.writelines(f"{notice}\n" for notice in reader.notices())
    out.write(f"{decode(bounds)}\n" if (bounds := redis.get(BOUNDS)) else "")
    out.writelines(format_row(row) + "\n" for row in rows)
    out.write(f"{len(rows)} loops.\n")
    out.write(f"{kept}\n" if (kept := describe_ended(settings, redis)) else "")
    out.write(f"{head}\n" if (head := describe_head(settings, redis)) else "")
    return 0


def show_lessons(settings: Settings, redis: Redis, out: TextIO, *, as_json: bool) -> int:
    """Print each repository's lessons with their status; returns the exit code."""
    shown = Reader(redis, settings).skills()
    if as_json:
        out.write(json.dumps(SKILLS.to_builtins(shown), ensure_ascii=False) + "\n")
        return 0
    for one in shown:
        out.writelines(f"{one.repository}  {format_lesson(lesson)}\n" for lesson in one.lessons)
    out.write(f"{sum(len(one.lessons) for one in shown)} lessons.\n")
    return 0


def format_lesson(lesson: ShownLesson) -> str:
    """Format topic, rule, status, tickets and pull request as one line."""
    pull = f", {lesson.url}" if lesson.url else ""
    line = f"{lesson.topic}: {lesson.rule} [{lesson.status_text}; {', '.join(lesson.tickets)}{pull}]"
    return "".join(c for c in " ".join(line.split()) if c.isprintable())


def reclaim_run_folders(settings: Settings, redis: Redis, out: TextIO, ticket: str) -> int:
    """Remove the files of all runs that have ended, or of one ticket's; returns the exit code."""
    removed = reclaim(settings.home, redis, 0, time.time(), ticket)
    out.writelines(f"{folder.ticket:<9} {folder.run_id}  {folder.size / 1e6:.1f} MB\n" for folder in removed)
    out.write(f"{len(removed)} folders removed, {sum(folder.size for folder in removed) / 1e6:.1f} MB.\n")
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


def redrive(redis: Redis, out: TextIO, wanted: str | None, audit: AuditJournal) -> int:
    """Retry the dead letter with the id `wanted`, or all when it is None. Idempotent."""
    letters = [letter for letter in DeadLetters(redis).all() if wanted in (None, letter.id)]
    out.writelines(f"{letter.id}: {_redrive_one(redis, letter, audit)}\n" for letter in letters)
    if wanted and not letters:
        out.write(f"No dead letter has the id {wanted}.\n")
        return 1
    return 0


def _redrive_one(redis: Redis, letter: DeadLetter, audit: AuditJournal) -> str:
    loop = Store(redis).load(letter.ticket_id) if letter.ticket_id else None
    if loop and letter.generation not in (None, loop.generation):
        return f"skipped: it belongs to generation {letter.generation}, the ticket is at generation {loop.generation}"
    audit.record(kind="redrive", ticket=letter.identifier, item=letter.kind, id=letter.id, actor=find_operator())
    done = DeadLetters(redis).redrive(letter)
    return f"{letter.kind} queued for retry" if done else "already retried"
