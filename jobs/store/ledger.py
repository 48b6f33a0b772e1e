"""The ledger: usage of a run, its ticket and the day, and the reservations of current model calls.

Called by `jobs.store.runs.RunConversation` around each model call: one script before it, one after it, both under the
run's lease and atomic across all workers. A run has at most one current call. The reservation of a slice that died
counts as spent when the next slice begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from redis import Redis

from integrations.ports.agent_runner import Grant, Refusal
from integrations.values import RunId, Usage
from jobs.loop.commands import RunSpec
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script
from jobs.store.tickets import KEPT_SECONDS

HELD_BY_OTHERS_SECONDS = 3.0  # retry interval while other runs' calls reserve the rest of a budget
_DAY_SECONDS = 86_400
_FIELDS = ("model_calls", "input_tokens", "cached_tokens", "output_tokens", "usd")


def to_micro_usd(usd: float) -> int:
    """US dollars as whole millionths, the unit in Redis."""
    return round(usd * 1_000_000)


class Ledger:
    """The ledger of one run during one slice. `clock` returns Unix seconds."""

    def __init__(self, redis: Redis, spec: RunSpec, lease: Lease, clock: Callable[[], float] = time.time) -> None:
        self._redis, self._spec, self._lease, self._clock = redis, spec, lease, clock
        self._mark = self._day = ""
        self._noticed = time.monotonic()
        self.total = Usage()
        self.parked_until = 0.0
        self.share_used = 0.0

    def balance(self) -> Usage:
        """Count the reservation of a dead slice as spent, and the time since the last call as work. Called at the begin
        and the end of a slice."""
        return self._settle("", Usage())

    def reserve(self, least: Usage, most: Usage) -> Grant | Refusal:
        """Reserve between `least` and `most` for one call; the input tokens of both are the same."""
        self._mark, self._day = uuid4().hex, today(self._clock())
        caps, floor = self._spec.caps, self._spec.ticket_usage
        asked = (most.input_tokens, most.output_tokens, to_micro_usd(least.cost_usd), to_micro_usd(most.cost_usd))
        limits = map(to_micro_usd, (caps.run_usd, caps.ticket_usd, caps.day_usd, floor.cost_usd))
        args: list[str | int] = [self._mark, *asked, *limits, caps.wall_seconds * 1000, self._worked_ms()]
        answer, standing = self._script("reserve", [*args, 2 * _DAY_SECONDS, KEPT_SECONDS], [keys.RUNS])
        self._take_in(standing)
        verdict, scope, unit = map(decode, answer[:3])
        cap, spent, usd = map(int, answer[3:])
        why = limit_sentence(scope, unit, cap, spent)
        match verdict:
            case "granted" | "lowered":
                return Grant(usd / 1_000_000, why if verdict == "lowered" else "")
            case "waits":
                return Refusal("other runs hold what is left of the budget", HELD_BY_OTHERS_SECONDS)
            case _:
                until_midnight = _DAY_SECONDS - self._clock() % _DAY_SECONDS
                return Refusal(why, until_midnight if scope == "day" else 0.0)

    def settle(self, usage: Usage) -> Usage:
        """Replace the reservation by the usage of the call; returns the run's total. Idempotent."""
        return self._settle(self._mark, usage)

    def park(self, until: float) -> None:
        """Note that the run backs off `until` Unix seconds; 0: it continues."""
        self._lease.check()
        self.parked_until = until
        self._redis.hset(keys.run_ledger(self._spec.run_id), "parked_until", str(int(until)))

    def _settle(self, mark: str, usage: Usage) -> Usage:
        tokens = (usage.input_tokens, usage.cached_tokens, usage.output_tokens)
        used = [usage.model_calls, *tokens, to_micro_usd(usage.cost_usd)]
        self._day = self._day or today(self._clock())
        notes: list[str | int] = [usage.cache_misses, usage.cache_miss_reason, usage.estimated_calls]
        args: list[str | int] = [mark, *used, self._worked_ms(), 2 * _DAY_SECONDS, KEPT_SECONDS, *notes]
        self._take_in(self._script("settle", args, []))
        return self.total

    def _script(self, name: str, args: Sequence[str | int], more_keys: list[str]) -> Any:
        r, ticket, day = self._spec.run_id, keys.ticket_ledger(self._spec.ticket.id), keys.day_ledger(self._day)
        ledgers = [keys.run_ledger(r), ticket, day, keys.holds(ticket), keys.holds(day)]
        names = [keys.lease(self._lease.name), *ledgers, *more_keys]
        return run_script(self._redis, name, names, [self._lease.token, r, *args])

    def _worked_ms(self) -> int:
        """Milliseconds since the last call of a script; a crash loses no more than those."""
        now = time.monotonic()
        worked, self._noticed = now - self._noticed, now
        return int(worked * 1000)

    def _take_in(self, standing: Sequence[int]) -> None:
        *used, worked_ms, parked, ticket_micro = standing
        caps, self.total, self.parked_until = self._spec.caps, _usage(*used), parked
        shares = (
            (used[-1], to_micro_usd(caps.run_usd)),
            (ticket_micro, to_micro_usd(caps.ticket_usd)),
            (worked_ms, caps.wall_seconds * 1000),
        )
        self.share_used = max(part / cap if cap else 1.0 for part, cap in shares)


def charge_request(redis: Redis, spec: RunSpec, request_id: str, usd: float) -> str:
    """Add the price of a request to the ledgers of run, ticket and day, once. Returns the exhausted limit as a clause;
    then nothing is charged."""
    r, ticket, day = spec.run_id, keys.ticket_ledger(spec.ticket.id), keys.day_ledger(today(time.time()))
    names = [keys.charged_requests(r), keys.run_ledger(r), ticket, day, keys.holds(ticket), keys.holds(day)]
    caps = map(to_micro_usd, (spec.caps.run_usd, spec.caps.ticket_usd, spec.caps.day_usd))
    found = run_script(
        redis, "charge_request", names, [request_id, to_micro_usd(usd), *caps, 2 * _DAY_SECONDS, KEPT_SECONDS]
    )
    return limit_sentence(decode(found[0]), "usd", int(found[1]), int(found[2])) if found else ""


def used_by(redis: Redis, run_id: RunId) -> Usage:
    """The run's usage so far, without the amount that its current call reserves."""
    names = [*_FIELDS, "cache_misses", "estimated_calls", "cache_miss_reason"]
    *counts, reason = redis.hmget(keys.run_ledger(run_id), names)
    *used, misses, estimated = (int(count or 0) for count in counts)
    why = decode(reason or b"")
    return replace(_usage(*used), cache_misses=misses, cache_miss_reason=why, estimated_calls=estimated)


def read_day_micro_usd(redis: Redis, day: str) -> int:
    """Spending of the day so far, in millionths of a US dollar."""
    return int(redis.hget(keys.day_ledger(day), "usd") or 0)


def restore_day(redis: Redis, day: str, micro_usd: int) -> None:
    """Raise the day's spending to an amount that a lost Redis had."""
    if micro_usd > read_day_micro_usd(redis, day):
        redis.hset(keys.day_ledger(day), "usd", micro_usd)
        redis.expire(keys.day_ledger(day), 2 * _DAY_SECONDS)


def today(now: float) -> str:
    """The calendar day in UTC."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def limit_sentence(scope: str, unit: str, cap: int, spent: int) -> str:
    """The exhausted limit as a clause. `unit` is 'usd' (in millionths) or 'time' (milliseconds)."""
    whose = "day's" if scope == "day" else f"{scope}'s"
    if unit == "time":
        return f"the {whose} working time of {cap / 60_000:.0f} minutes is used up"
    text = f"the {whose} budget of ${cap / 1_000_000:.2f} is used up (${spent / 1_000_000:.2f} spent)"
    return f"{text}, until midnight UTC" if scope == "day" else text


def _usage(model_calls: int, input_tokens: int, cached_tokens: int, output_tokens: int, micro_usd: int) -> Usage:
    return Usage(
        model_calls=model_calls,
        input_tokens=input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output_tokens,
        cost_usd=micro_usd / 1_000_000,
    )
