"""The one switch between all runs and the model's provider: while the provider is away, nobody calls it.

Called by `jobs.store.runs.RunConversation` around each model call, by `jobs.store.backoff`, and (to read) by `service`.
Its state is in Redis, so that every agent process of every machine heeds the same. It waits for nothing and knows no
ticket.

Five failures within 30 s open it, and so does one refusal that names a reset time or our credentials. Then exactly one
call is let through as a probe: success closes it, failure opens it for twice as long, up to 5 minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

import structlog
from redis import Redis

from integrations.errors import IntegrationError, Unauthorized, Unavailable
from integrations.values import RunId
from jobs.runtime import keys
from jobs.runtime.scripts import decode, run_script

Kind = Literal["away", "credentials"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Windows:
    """When the breaker opens and for how long, in seconds. `probe_life`: after that somebody else may try."""

    failures: int = 5
    within: float = 30.0
    first_wait: float = 60.0
    longest_wait: float = 300.0
    probe_life: float = 330.0
    poll: float = 5.0


@dataclass(frozen=True)
class Open:
    """The breaker is open. Times are Unix seconds; `reason` is the provider's own words."""

    until: float
    kind: Kind
    reason: str
    since: float

    @property
    def sentence(self) -> str:
        """What an operator has to know."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"The model takes no calls since {since}, so runs wait and none has failed: {self.reason}"


class Breaker:
    """The switch in one Redis. `clock` tells Unix seconds."""

    def __init__(
        self,
        redis: Redis,
        windows: Windows = Windows(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._windows = windows
        self._clock = clock

    def look(self, run_id: RunId) -> Open | None:
        """Whether the run would have to wait now; changes nothing."""
        answer = self._admit(run_id, "look")
        return answer if isinstance(answer, Open) else None

    def admit(self, run_id: RunId) -> Open | Literal["all", "probe"]:
        """Before a call: whether all may call, this run alone as the probe, or it has to wait."""
        return self._admit(run_id, "take")

    def failed(self, run_id: RunId, error: Unavailable | Unauthorized) -> None:
        """A call came to nothing through the provider's fault. Whoever finds refused credentials first raises the alarm
        for all."""
        kind: Kind = "credentials" if isinstance(error, Unauthorized) else "away"
        named = error.retry_after if isinstance(error, Unavailable) else None
        w = self._windows
        limits = [w.failures, _ms(w.within), _ms(w.first_wait), _ms(w.longest_wait)]
        names = [keys.BREAKER, keys.BREAKER_FAILURES, keys.CREDENTIALS_ALARM]
        wait: str | int = "" if named is None else _ms(named)
        args: list[str | int] = [run_id, _ms(self._clock()), wait, kind, str(error), uuid4().hex, *limits]
        _, raised = run_script(self._redis, "call_failed", names, args)
        if raised:
            _log.error("the model provider refuses us, all runs wait", reason=str(error))

    def probe_ended(self, run_id: RunId, *, answered: bool) -> None:
        """The run's call is over: with an answer the breaker closes, otherwise the next one may try."""
        names = [keys.BREAKER, keys.BREAKER_FAILURES, keys.CREDENTIALS_ALARM]
        if run_script(self._redis, "probe_ended", names, [run_id, "answered" if answered else "unknown"]):
            _log.info("the model answers again")

    def _admit(self, run_id: RunId, what: Literal["look", "take"]) -> Open | Literal["all", "probe"]:
        w = self._windows
        args: list[str | int] = [run_id, _ms(self._clock()), _ms(w.probe_life), _ms(w.poll), what]
        answer = [decode(part) for part in run_script(self._redis, "admit", [keys.BREAKER], args)]
        match answer:
            case []:
                return "all"
            case [_, until, kind, reason, since]:
                return Open(int(until) / 1000, _kind(kind), reason, int(since) / 1000)
            case _:
                return "probe"


def current_outage(redis: Redis) -> Open | None:
    """The breaker as it stands, for people: open until a probe succeeds, also after its time is over."""
    found: Any = redis.hmget(keys.BREAKER, ["until", "kind", "reason", "since"])
    if found[0] is None:
        return None
    until, kind, reason, since = map(decode, found)
    return Open(int(until) / 1000, _kind(kind), reason, int(since) / 1000)


def credentials_alarm(redis: Redis) -> str:
    """Why the provider refuses our key or account; empty when it does not."""
    return decode(redis.get(keys.CREDENTIALS_ALARM) or b"")


def blames_provider(error: IntegrationError | None) -> Unavailable | Unauthorized | None:
    """The error, when it is one that the breaker counts."""
    return error if isinstance(error, Unavailable | Unauthorized) else None


def _kind(text: str) -> Kind:
    return "credentials" if text == "credentials" else "away"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
