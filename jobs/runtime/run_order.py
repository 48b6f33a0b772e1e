"""The order in which waiting runs get a slot: priority, due date, time of the hand-over.

RQ's jobs are only turns: `take_next` chooses the run when a slot is free, across all agent processes. Runs of equal
priority and due date that have had a slot take turns. After each hour of waiting a run counts one priority higher, so
none starves."""

from __future__ import annotations

import json

from redis import Redis

from integrations.values import RunId, TicketId
from jobs.runtime import keys
from jobs.runtime.clocks import read_redis_time
from jobs.runtime.scripts import decode

STEP_SECONDS = 3600.0
KEPT_SECONDS = 30 * 86_400
NO_DUE_DATE = "9999"
_LOWEST = 5  # of Linear's priorities 1 (urgent) to 4 (low), 0 is none and counts as lower than low
Place = tuple[int, str, float]


def compute_place(priority: int, due_date: str, turn: float, waited: float) -> Place:
    """The place of a waiting run: the smallest one starts first. `turn` is the time of the hand-over or of the run's
    last slot, Unix seconds; `waited` is in seconds. Pure."""
    steps = (priority or _LOWEST) - int(max(waited, 0) // STEP_SECONDS)
    return (steps, due_date or NO_DUE_DATE, turn) if steps > 0 else (0, "", turn)


def set_order(redis: Redis, ticket_id: TicketId, priority: int, due_date: str) -> None:
    """Set priority and due date of the ticket's runs; takes effect for waiting ones too."""
    redis.set(keys.run_order(ticket_id), json.dumps([priority, due_date]), ex=KEPT_SECONDS)


def set_turn(redis: Redis, run_id: RunId, ticket_id: TicketId, handed_over: float) -> None:
    """Place a new run by the time of its ticket's hand-over, Unix seconds."""
    redis.hsetnx(keys.RUN_TURNS, run_id, json.dumps([ticket_id, handed_over]))


def add_waiting(redis: Redis, run_id: str, *, first: bool = False) -> None:
    """Let the run wait for a slot, before all others with `first`. One that waits already keeps its place."""
    (redis.hset if first else redis.hsetnx)(keys.RUNS_WAITING, run_id, 0.0 if first else read_redis_time(redis))


def take_next(redis: Redis) -> RunId | None:
    """Take the waiting run that is next; None without one. Each is taken once."""
    for run_id, ticket_id in _list_waiting(redis):
        if redis.hdel(keys.RUNS_WAITING, run_id):
            if ticket_id:
                redis.hset(keys.RUN_TURNS, run_id, json.dumps([ticket_id, read_redis_time(redis)]))
            return run_id
    return None


def list_waiting(redis: Redis) -> list[RunId]:
    """The waiting runs in the order in which they get slots."""
    return [run_id for run_id, _ in _list_waiting(redis)]


def forget(redis: Redis, run_id: RunId) -> None:
    """Remove a run that has finished."""
    redis.hdel(keys.RUNS_WAITING, run_id)
    redis.hdel(keys.RUN_TURNS, run_id)


def _list_waiting(redis: Redis) -> list[tuple[RunId, str]]:
    waiting = {decode(run_id): float(since) for run_id, since in redis.hgetall(keys.RUNS_WAITING).items()}
    if not waiting:
        return []
    turns = [_parse_turn(raw) for raw in redis.hmget(keys.RUN_TURNS, list(waiting))]
    orders = redis.mget([keys.run_order(ticket_id) for ticket_id, _ in turns])
    now = read_redis_time(redis)
    found: list[tuple[Place, RunId, str]] = []
    for (run_id, since), (ticket_id, turn), order in zip(waiting.items(), turns, orders, strict=True):
        priority, due_date = json.loads(order) if order else (0, "")
        found.append((compute_place(priority, due_date, turn, now - since), RunId(run_id), ticket_id))
    return [(run_id, ticket_id) for _, run_id, ticket_id in sorted(found)]


def _parse_turn(raw: bytes | str | None) -> tuple[TicketId, float]:
    """Ticket and time; without a ticket for a run of an older release."""
    ticket_id, turn = json.loads(raw) if raw else ("", 0.0)
    return TicketId(ticket_id), float(turn)
