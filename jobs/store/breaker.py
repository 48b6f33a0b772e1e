"""The circuit breaker of all runs for the model provider: while it is open, no model call is made.

Called by `jobs.store.runs.RunConversation` around each model call, and (to read) by `service`.
Its state is in Redis, shared by all agent processes.

Five failures within 30 s, not all of one run, open it, and so does one error with a retry time or about credentials.
Then exactly one call is admitted as a probe: success closes it, failure opens it for twice as long, up to 5 minutes.
The run that failed last waits a little longer, so that another run is the probe if there is one. Replies that cannot be
used do not count here.
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

from integrations.errors import Unauthorized, Unavailable
from integrations.values import RunId
from jobs.runtime import keys
from jobs.runtime.scripts import decode, run_script

Kind = Literal["away", "credentials"]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Windows:
    """When the breaker opens and for how long, in seconds. After `probe_life` another run can probe."""

    failures: int = 5
    within: float = 30.0
    first_wait: float = 60.0
    longest_wait: float = 300.0
    probe_life: float = 330.0
    poll: float = 5.0


@dataclass(frozen=True)
class Open:
    """State of an open breaker. Times are Unix seconds; `reason` is the provider's message."""

    until: float
    kind: Kind
    reason: str
    since: float

    @property
    def sentence(self) -> str:
        """The state in one sentence, for operators."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"The model provider has been unavailable since {since}. Runs back off, none has failed: {self.reason}"


class Breaker:
    """The breaker in one Redis. `clock` returns Unix seconds."""

    def __init__(self, redis: Redis, windows: Windows = Windows(), clock: Callable[[], float] = time.time) -> None:
        self._redis, self._windows, self._clock = redis, windows, clock

    def look(self, run_id: RunId) -> Open | None:
        """The breaker if the run has to wait now, else None; changes nothing."""
        answer = self._admit(run_id, "look")
        return answer if isinstance(answer, Open) else None

    def admit(self, run_id: RunId) -> Open | Literal["all", "probe"]:
        """Admit a call: "all" while the breaker is closed, "probe" for this run alone, or `Open` to wait."""
        return self._admit(run_id, "take")

    def record_failure(self, run_id: RunId, error: Unavailable | Unauthorized) -> None:
        """Count a failed call. The first one with rejected credentials raises the alarm."""
        kind: Kind = "credentials" if isinstance(error, Unauthorized) else "away"
        named = error.retry_after if isinstance(error, Unavailable) else None
        w = self._windows
        limits = [w.failures, _ms(w.within), _ms(w.first_wait), _ms(w.longest_wait)]
        names = [keys.BREAKER, keys.BREAKER_FAILURES, keys.CREDENTIALS_ALARM, keys.RUNS]
        wait: str | int = "" if named is None else _ms(named)
        args: list[str | int] = [run_id, _ms(self._clock()), wait, kind, str(error), uuid4().hex, *limits]
        _, raised = run_script(self._redis, "call_failed", names, args)
        if raised:
            _log.error("model credentials rejected, will retry", reason=str(error))

    def end_probe(self, run_id: RunId, *, answered: bool) -> None:
        """End the run's probe: an answer closes the breaker, otherwise the next run can probe."""
        names = [keys.BREAKER, keys.BREAKER_FAILURES, keys.CREDENTIALS_ALARM]
        if run_script(self._redis, "probe_ended", names, [run_id, "answered" if answered else "unknown"]):
            _log.info("model provider available again")

    def _admit(self, run_id: RunId, what: Literal["look", "take"]) -> Open | Literal["all", "probe"]:
        w = self._windows
        args: list[str | int] = [run_id, _ms(self._clock()), _ms(w.probe_life), _ms(w.poll), what]
        answer = [decode(part) for part in run_script(self._redis, "admit", [keys.BREAKER, keys.RUNS], args)]
        match answer:
            case []:
                return "all"
            case [_, until, kind, reason, since]:
                return Open(int(until) / 1000, _kind(kind), reason, int(since) / 1000)
            case _:
                return "probe"


def current_outage(redis: Redis) -> Open | None:
    """The breaker for people: open until a probe succeeds, even after its time is over."""
    found: Any = redis.hmget(keys.BREAKER, ["until", "kind", "reason", "since"])
    if found[0] is None:
        return None
    until, kind, reason, since = map(decode, found)
    return Open(int(until) / 1000, _kind(kind), reason, int(since) / 1000)


def credentials_alarm(redis: Redis) -> str:
    """Why the provider rejects the API key or account; empty when it does not."""
    return decode(redis.get(keys.CREDENTIALS_ALARM) or b"")


def _kind(text: str) -> Kind:
    return "credentials" if text == "credentials" else "away"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
