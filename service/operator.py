"""Commands for the operator: check, status, rebuild, dead letters. Called by the command line.

They can run while Loopline is running. Each writes one line per problem, ticket or item, and returns the exit code.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TextIO

from redis import Redis
from redis.exceptions import RedisError

from integrations.disk import read_disk
from integrations.errors import IntegrationError
from integrations.git.repository import Remote, check_access
from integrations.sandbox.cgroup import explain_polling, find_polled_bounds
from jobs.config.settings import Settings
from jobs.effects.build import build_code_host, build_tracker, build_world, find_model_problems
from jobs.effects.gather import find_repository
from jobs.recovery import older_redis
from jobs.recovery.rebuild import rebuild
from jobs.runtime.audit import AuditJournal
from jobs.runtime.connection import check_persistence, connect, find_refusal
from jobs.runtime.keys import BOUNDS
from jobs.runtime.run_folders import describe_ended, reclaim
from jobs.runtime.scripts import decode
from jobs.store.dead_letters import DeadLetter, DeadLetters
from jobs.store.tickets import Store
from service.audit import describe_head
from service.dashboard.overview import ROWS, Row
from service.dashboard.reader import Reader
from service.switch import find_operator


def find_problems(settings: Settings) -> list[str]:
    """Return one sentence per problem. The embedded Redis is not checked, as Loopline configures it."""
    configured = bool(settings.redis_url.get_secret_value())
    disk = filter(None, [read_disk(settings.home).sentence])
    return [
        *disk,
        *(_check_redis(settings) if configured else ()),
        *_check_teams(settings),
        *find_model_problems(settings, thorough=True),
    ]


def find_polled_limits() -> str:
    """A sentence about bounds of a sandbox that the kernel does not hold for processes started like this one."""
    return explain_polling(find_polled_bounds())


def _check_redis(settings: Settings) -> Iterator[str]:
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            found = find_refusal(redis)
            yield from found or [*check_persistence(redis), *older_redis.find_problems(redis, settings.home)]
        except RedisError as error:
            yield f"REDIS_URL: Redis does not respond ({error})."


def _check_teams(settings: Settings) -> Iterator[str]:
    """Check each team's columns and repository with the configured credentials."""
    board, host = build_tracker(settings), build_code_host(settings)
    assert board and host, "the role `up` has both"
    for key, team in settings.teams.items():
        try:
            board.check_columns(key, team.columns.names())
        except IntegrationError as error:
            yield f"LOOPLINE_TEAMS, team {key}: {error}"
        for name in team.all_repositories():
            try:
                found = find_repository(name, host)
                check_access(Remote(found.clone_url, host.git_credentials(name)))
            except IntegrationError as error:
                yield f"LOOPLINE_TEAMS, repository {name}: {error}"


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
