"""What we remember of agent runs, in Redis: spec, transcript, ledger, words that wait, and the wish to stop.

Called by `jobs.effects.perform` (start, stop, steer) and `jobs.advance_run` (everything else). Live transcripts are
streams, so that any machine can take the next slice and the dashboard can follow.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from redis import Redis

from integrations.errors import IntegrationError
from integrations.events import EVENT, RunFinished, SteeringTaken
from integrations.failpoints import fail
from integrations.ports.agent_runner import Entry, Grant, Refusal
from integrations.values import RunId, TicketId, Usage
from jobs.loop.commands import RUN_SPEC, RunSpec
from jobs.loop.state import Guidance
from jobs.runtime import keys
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script
from jobs.store.backoff import park, unpark
from jobs.store.breaker import Breaker, Open, blames_provider
from jobs.store.ledger import Ledger, used_by
from jobs.store.tickets import KEPT_SECONDS, Store


class Runs:
    """All runs in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def start(self, spec: RunSpec) -> None:
        """Remember the run as unfinished; a second call changes nothing."""
        names = [keys.run(spec.run_id), keys.RUNS, keys.runs_of(spec.ticket.id)]
        run_script(self.redis, "start_run", names, [RUN_SPEC.encode(spec), spec.run_id, spec.started_at])

    def spec(self, run_id: RunId) -> RunSpec | None:
        """What the run was started with."""
        raw = self.redis.get(keys.run(run_id))
        return RUN_SPEC.decode(raw) if raw else None

    def unfinished(self) -> list[RunId]:
        """Ids of runs that somebody has to advance."""
        return [RunId(decode(r)) for r in self.redis.smembers(keys.RUNS)]

    def is_unfinished(self, run_id: RunId) -> bool:
        """Whether the run still has something to do."""
        return bool(self.redis.sismember(keys.RUNS, run_id))

    def of(self, ticket_id: TicketId) -> list[RunId]:
        """Ids of the ticket's runs, the first started first; a run that is forgotten may still be named."""
        ids: Any = self.redis.zrange(keys.runs_of(ticket_id), 0, -1)
        return [RunId(decode(r)) for r in ids]

    def ask_to_stop(self, run_id: RunId) -> None:
        """Interrupt the run: seen between steps, while the model streams and inside commands."""
        self.redis.set(keys.stop(run_id), 1, ex=KEPT_SECONDS)

    def must_stop(self, run_id: RunId) -> bool:
        """Whether somebody asked the run to stop."""
        return bool(self.redis.exists(keys.stop(run_id)))

    def steer(self, run_id: RunId, guidance: Guidance, command_id: str) -> None:
        """Put words where the run finds them before its next model call; once per command."""
        text = f"Words from {guidance.author} on the ticket:\n{guidance.text}"
        entry = json.dumps({"text": text, "comment_ids": [guidance.comment_id]})
        names = [f"{keys.steering(run_id)}:{command_id}", keys.steering(run_id)]
        run_script(self.redis, "steer", names, [entry, KEPT_SECONDS])

    def transcript(self, run_id: RunId, after: str = "-") -> list[tuple[str, Entry]]:
        """Entries with their stream ids; `after` is an id that was seen already."""
        start = after if after == "-" else f"({after}"
        rows: Any = self.redis.xrange(keys.transcript(run_id), start, "+")
        return [(decode(i), _entry(fields)) for i, fields in rows or []]

    def latest(self, run_ids: Sequence[RunId]) -> dict[RunId, list[tuple[str, Entry]]]:
        """The newest four entries of each run, newest first, with their stream ids, in one round trip."""
        with self.redis.pipeline(transaction=False) as batch:
            for run_id in run_ids:
                batch.xrevrange(keys.transcript(run_id), count=4)
            found = zip(run_ids, batch.execute(), strict=True)
        return {run_id: [(decode(i), _entry(fields)) for i, fields in rows] for run_id, rows in found}

    def usage(self, run_id: RunId) -> Usage:
        """What the run has cost so far."""
        return used_by(self.redis, run_id)

    def conversation(self, spec: RunSpec, lease: Lease) -> RunConversation:
        """The run's transcript for writing, under its lease."""
        return RunConversation(self, spec, lease)

    def finish(self, lease: Lease, event: RunFinished, *, heed_words: bool) -> bool:
        """End the run and tell its ticket, together. False: a person's words came in, so the run goes on."""
        r, t = event.run_id, event.ticket_id
        args = [lease.token, r, t, event.event_id, EVENT.encode(event), "heed" if heed_words else ""]
        outcome = json.dumps({"kind": event.outcome, "summary": event.summary})
        ended = run_script(
            self.redis,
            "finish_run",
            [
                keys.lease(lease.name),
                keys.RUNS,
                keys.steering(r),
                keys.known_events(t),
                keys.mailbox(t),
                keys.READY,
                keys.transcript(r),
            ],
            [*args, outcome],
        )
        if ended:
            for key in (keys.run(r), keys.transcript(r), keys.run_ledger(r), keys.runs_of(t), keys.fence(lease.name)):
                self.redis.expire(key, KEPT_SECONDS)
        return bool(ended)


class RunConversation:
    """`Conversation` on a Redis stream; every write is refused once the lease is lost."""

    def __init__(
        self,
        runs: Runs,
        spec: RunSpec,
        lease: Lease,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runs = runs
        self._spec = spec
        self._lease = lease
        self.ledger = Ledger(runs.redis, spec, lease, clock)
        self._breaker = breaker or Breaker(runs.redis, clock=clock)
        self._clock = clock
        self._probing = False
        self._heard = False

    def entries(self) -> list[Entry]:
        """All entries so far, oldest first."""
        return [entry for _, entry in self._runs.transcript(self._spec.run_id)]

    def append(self, entry: Entry) -> None:
        """Make the entry durable before returning."""
        fail(f"transcript.{entry.kind}", "before")
        self._script(
            "append", [keys.transcript(self._spec.run_id)], [entry.kind, json.dumps(dict(entry.data)), uuid4().hex]
        )
        fail(f"transcript.{entry.kind}", "done")

    def take_steering(self) -> list[Entry]:
        """Move waiting words into the transcript, and tell the ticket that the agent has them."""
        r = self._spec.run_id
        taken = self._script("take_steering", [keys.transcript(r), keys.steering(r)], [uuid4().hex])
        if taken:
            self.tell()
        return [Entry("steering", json.loads(raw)) for raw in taken]

    def tell(self) -> None:
        """Tell the ticket which words the agent has; each once, however often this is called."""
        t, r = self._spec.ticket.id, self._spec.run_id
        for stream_id, entry in self._runs.transcript(r):
            if entry.kind == "steering":
                event_id, ids = f"{r}:heard:{stream_id}", tuple(entry.data["comment_ids"])
                Store(self._runs.redis).deliver(
                    SteeringTaken(event_id=event_id, ticket_id=t, run_id=r, comment_ids=ids)
                )

    def reserve(self, least: Usage, most: Usage) -> Grant | Refusal:
        """Leave for one model call: the budgets of run, ticket and day allow it, and the provider is not away."""
        leave = self.ledger.reserve(least, most)
        if isinstance(leave, Refusal):
            return leave
        admitted = self._breaker.admit(self._spec.run_id)
        if isinstance(admitted, Open):
            self.ledger.settle(Usage())
            return Refusal(admitted.reason, max(admitted.until - self._clock(), 0.1))
        self._probing = admitted == "probe"
        return leave

    def settle(self, usage: Usage, *, answered: bool, failure: IntegrationError | None = None) -> Usage:
        """The call is over: its hold becomes what it used, and all runs learn how the provider is."""
        total = self.ledger.settle(usage)
        run_id = self._spec.run_id
        if blamed := blames_provider(failure):
            self._breaker.failed(run_id, blamed)
        elif self._probing:
            self._breaker.probe_ended(run_id, answered=answered or failure is not None)
        if answered and not failure and not self._heard:
            self._heard = True
            unpark(self._spec, self.ledger, self._runs.redis)
        return total

    def away(self) -> Open | None:
        """Whether the run would have to wait for the provider now."""
        return self._breaker.look(self._spec.run_id)

    def park(self, error: IntegrationError) -> float:
        """Rest because of this error, which is not the ticket's fault; returns for how many seconds."""
        self.ledger.balance()
        return park(self._spec, self.ledger, self._breaker, error, self._runs.redis, self._clock())

    def share_used(self) -> float:
        """How much of its tightest limit has been used, but for turns."""
        return self.ledger.share_used

    def _script(self, name: str, more_keys: list[str], args: list[str]) -> Any:
        lease = self._lease
        return run_script(self._runs.redis, name, [keys.lease(lease.name), *more_keys], [lease.token, *args])


def stop_predicate(runs: Runs, run_id: RunId, lease: Lease, stopping: Callable[[], bool]) -> Callable[[], bool]:
    """What the runner and the sandbox ask again and again: a person said stop, the lease is gone, we shut down."""
    return lambda: stopping() or lease.lost or runs.must_stop(run_id)


def _entry(fields: dict[bytes, bytes]) -> Entry:
    kind: Any = fields[b"kind"].decode()
    return Entry(kind, json.loads(fields[b"data"]))
