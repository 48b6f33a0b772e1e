"""The books: what a run, its ticket and the day have used, and what model calls under way hold of it.

Called by `jobs.store.runs.RunConversation` around each model call and by nobody else. One script before the call, one
after it, both under the run's lease; all workers and tickets share one Redis. It decides by `Caps` and knows no model.

A run has at most one call under way. A hold that its dead slice left counts as spent as soon as the run is taken up.
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
from jobs.loop.caps import Caps
from jobs.loop.commands import RunSpec
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script
from jobs.store.tickets import KEPT_SECONDS

HELD_BY_OTHERS_SECONDS = 3.0
"""How soon to ask again when other runs' calls hold what is missing."""
_DAY_SECONDS = 86_400
_FIELDS = ("model_calls", "input_tokens", "cached_tokens", "output_tokens", "usd")


def to_micro_usd(usd: float) -> int:
    """US dollars as the whole millionths that Redis counts in."""
    return round(usd * 1_000_000)


class Ledger:
    """One run's page, for as long as a slice of it is at work. `clock` tells Unix seconds."""

    def __init__(self, redis: Redis, spec: RunSpec, lease: Lease, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._spec = spec
        self._lease = lease
        self._clock = clock
        self._mark = ""
        self._day = ""
        self._noticed = time.monotonic()
        self.total = Usage()
        self.parked_until = 0.0
        self.share_used = 0.0

    def balance(self) -> Usage:
        """At the begin and the end of a slice: what a dead slice held is spent, and the time since the last look counts
        as work."""
        return self._settle("", Usage())

    def reserve(self, least: Usage, most: Usage) -> Grant | Refusal:
        """Hold between `least` and `most` for one call; the input tokens of both are the same."""
        self._mark, self._day = uuid4().hex, today(self._clock())
        floor = self._spec.ticket_usage
        asked = (most.input_tokens, most.output_tokens, to_micro_usd(least.cost_usd), to_micro_usd(most.cost_usd))
        args: list[str | int] = [self._mark, *asked, *_caps_of(self._spec.caps)]
        args += [to_micro_usd(floor.cost_usd), self._spec.caps.wall_seconds * 1000, self._worked_ms()]
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
                return Refusal(why, _until_midnight(self._clock()) if scope == "day" else 0.0)

    def settle(self, usage: Usage) -> Usage:
        """The call that was reserved is over and used this much; returns the run's total. Harmless when repeated."""
        return self._settle(self._mark, usage)

    def park(self, until: float) -> None:
        """Note that the run waits, 0 that it goes on. `until` is Unix seconds."""
        self._lease.check()
        self.parked_until = until
        self._redis.hset(keys.run_ledger(self._spec.run_id), "parked_until", str(int(until)))

    def _settle(self, mark: str, usage: Usage) -> Usage:
        used = [
            usage.model_calls,
            usage.input_tokens,
            usage.cached_tokens,
            usage.output_tokens,
            to_micro_usd(usage.cost_usd),
        ]
        self._day = self._day or today(self._clock())
        missed: list[str | int] = [usage.cache_misses, usage.cache_miss_reason]
        args: list[str | int] = [mark, *used, self._worked_ms(), 2 * _DAY_SECONDS, KEPT_SECONDS, *missed]
        self._take_in(self._script("settle", args, []))
        return self.total

    def _script(self, name: str, args: Sequence[str | int], more_keys: list[str]) -> Any:
        r, ticket, day = self._spec.run_id, keys.ticket_ledger(self._spec.ticket.id), keys.day_ledger(self._day)
        books = [keys.run_ledger(r), ticket, day, keys.holds(ticket), keys.holds(day)]
        names = [keys.lease(self._lease.name), *books, *more_keys]
        return run_script(self._redis, name, names, [self._lease.token, r, *args])

    def _worked_ms(self) -> int:
        """Milliseconds since the last look; a crash loses at most those."""
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


def used_by(redis: Redis, run_id: RunId) -> Usage:
    """The run's usage so far, without the amount that its current call reserves."""
    *raw, misses, reason = redis.hmget(keys.run_ledger(run_id), [*_FIELDS, "cache_misses", "cache_miss_reason"])
    used = _usage(*(int(part or 0) for part in raw))
    return replace(used, cache_misses=int(misses or 0), cache_miss_reason=decode(reason or b""))


def today(now: float) -> str:
    """The calendar day in UTC."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def limit_sentence(scope: str, unit: str, cap: int, spent: int) -> str:
    """Which limit leaves no room, as a clause. `unit` is 'usd' (in millionths) or 'time' (milliseconds)."""
    whose = "day's" if scope == "day" else f"{scope}'s"
    if unit == "time":
        return f"the {whose} working time of {cap / 60_000:.0f} minutes is used up"
    text = f"the {whose} budget of ${cap / 1_000_000:.2f} is used up (${spent / 1_000_000:.2f} spent)"
    return f"{text}, until midnight UTC" if scope == "day" else text


def _until_midnight(now: float) -> float:
    return _DAY_SECONDS - now % _DAY_SECONDS


def _caps_of(caps: Caps) -> list[int]:
    return [to_micro_usd(usd) for usd in (caps.run_usd, caps.ticket_usd, caps.day_usd)]


def _usage(model_calls: int, input_tokens: int, cached_tokens: int, output_tokens: int, micro_usd: int) -> Usage:
    return Usage(
        model_calls=model_calls,
        input_tokens=input_tokens,
        cached_tokens=cached_tokens,
        output_tokens=output_tokens,
        cost_usd=micro_usd / 1_000_000,
    )
