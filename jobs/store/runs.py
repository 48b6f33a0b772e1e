"""State of agent runs in Redis: spec, transcript, ledger, pending guidance, stop flag.

Called by `jobs.effects.perform` (start, stop, steer) and `jobs.advance_run` (everything else). Transcripts are streams,
so any agent process can continue a run and the dashboard can follow it live.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any
from uuid import uuid4

import structlog
from redis import Redis

from integrations.agents.entries import clean_entry
from integrations.errors import IntegrationError, NotAttempted, Paused, Unauthorized, Unavailable
from integrations.events import EVENT, UNTIL_RESOLVED, RunFinished, RunParked, SteeringTaken
from integrations.failpoints import fail
from integrations.outward import check_outward
from integrations.ports.agent_runner import Entry, Grant, Refusal
from integrations.results import PROVENANCE, Provenance
from integrations.texts import show_hidden_markup
from integrations.values import RunId, TicketId, Usage
from integrations.waits import exponential_wait
from jobs.loop.commands import RUN_SPEC, RunSpec
from jobs.loop.comments import Guidance
from jobs.loop.running_check import RUNNING_CHECK, RunningCheck
from jobs.runtime import keys, queues, run_order
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script
from jobs.store.breaker import Breaker, Open
from jobs.store.ledger import Ledger, used_by
from jobs.store.tickets import KEPT_SECONDS, Store

CHECK_SHOWN_SECONDS = 60.0  # after which the ticket shows the command that the gate runs
SILENT_SECONDS = 10.0  # a shorter backoff is not reported on the ticket
LONGEST_SECONDS = 60.0
_log = structlog.get_logger(__name__)


class Runs:
    """All runs in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def start(self, spec: RunSpec) -> None:
        """Store the run as unfinished, with a nonce. Idempotent: the first call's nonce stays."""
        spec = replace(spec, nonce=spec.nonce or token_hex(8))
        names = [keys.run(spec.run_id), keys.RUNS, keys.runs_of(spec.ticket.id)]
        run_script(self.redis, "start_run", names, [RUN_SPEC.encode(spec), spec.run_id, spec.started_at])

    def spec(self, run_id: RunId) -> RunSpec | None:
        """The spec that the run was started with."""
        raw = self.redis.get(keys.run(run_id))
        return RUN_SPEC.decode(raw) if raw else None

    def list_unfinished(self) -> list[RunId]:
        """Ids of all unfinished runs."""
        return [RunId(decode(r)) for r in self.redis.smembers(keys.RUNS)]

    def is_unfinished(self, run_id: RunId) -> bool:
        """Whether the run has not finished."""
        return bool(self.redis.sismember(keys.RUNS, run_id))

    def list_waiting(self) -> list[RunId]:
        """The runs that no agent has begun and that do not back off, in the order in which they get slots."""
        ids = run_order.list_waiting(self.redis)
        with self.redis.pipeline(transaction=False) as batch:
            for run_id in ids:
                batch.exists(keys.lease(f"run:{run_id}"), keys.transcript(run_id), keys.retry_at(run_id))
            begun = batch.execute()
        return [run_id for run_id, known in zip(ids, begun, strict=True) if not known]

    def count_busy(self) -> int:
        """How many runs an agent works on now."""
        names = [keys.lease(f"run:{run_id}") for run_id in self.list_unfinished()]
        return int(self.redis.exists(*names)) if names else 0

    def list_runs(self, ticket_id: TicketId) -> list[RunId]:
        """Ids of the ticket's runs in the order of their start, including runs that have expired."""
        ids: Any = self.redis.zrange(keys.runs_of(ticket_id), 0, -1)
        return [RunId(decode(r)) for r in ids]

    def ask_to_stop(self, run_id: RunId) -> None:
        """Interrupt the run, even during a model call or a command."""
        self.redis.set(keys.stop(run_id), 1, ex=KEPT_SECONDS)

    def must_stop(self, run_id: RunId) -> bool:
        """Whether the run was asked to stop."""
        return bool(self.redis.exists(keys.stop(run_id)))

    def steer(self, run_id: RunId, guidance: Guidance, command_id: str) -> None:
        """Queue guidance for the run's next model call, once per command."""
        text = show_hidden_markup(f"Comment from {' '.join(guidance.author.split())}:\n{guidance.text}")
        notes = [
            f"The image {image.name or image.url} is not attached: {image.problem}."
            for image in guidance.images
            if image.problem
        ]
        files = [image.file_name for image in guidance.images if image.media_type]
        entry = json.dumps({"text": "\n\n".join([text, *notes]), "comment_ids": [guidance.comment_id], "images": files})
        names = [f"{keys.steering(run_id)}:{command_id}", keys.steering(run_id)]
        run_script(self.redis, "steer", names, [entry, KEPT_SECONDS])

    def unsteer(self, run_id: RunId, comment_id: str) -> None:
        """Remove the guidance of a comment that the run has not read yet."""
        for raw in self.redis.lrange(keys.steering(run_id), 0, -1):
            if comment_id in json.loads(raw)["comment_ids"]:
                self.redis.lrem(keys.steering(run_id), 1, decode(raw))

    def take_place(self, repository: str, run_id: RunId, most: int) -> bool:
        """Whether the run is one of at most `most` of the repository that are advanced now. The caller holds the run's
        lease, whose end frees the place."""
        args: list[str | int] = [run_id, most, keys.lease("run:")]
        return bool(run_script(self.redis, "take_place", [keys.places(repository)], args))

    def transcript(self, run_id: RunId, after: str = "-") -> list[tuple[str, Entry]]:
        """Entries with their stream ids, those after the id `after`."""
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
        """The run's usage so far."""
        return used_by(self.redis, run_id)

    def note_inputs(self, run_id: RunId, **digests: str) -> None:
        """Remember digests of the run's inputs for its provenance. Last write wins."""
        with self.redis.pipeline() as batch:
            for name, digest in digests.items():
                batch.hset(keys.provenance(run_id), name, digest)
            batch.expire(keys.provenance(run_id), KEPT_SECONDS)
            batch.execute()

    def inputs(self, run_id: RunId) -> dict[str, str]:
        """The digests by the name of the input."""
        found: Any = self.redis.hgetall(keys.provenance(run_id))
        return {decode(name): decode(digest) for name, digest in found.items() if name != b"record"}

    def count_blocked(self, run_id: RunId, blocked: Mapping[str, int]) -> None:
        """Add connections that the network policy refused to the run's commands, by host."""
        with self.redis.pipeline() as batch:
            for host, count in blocked.items():
                batch.hincrby(keys.blocked_hosts(run_id), host, count)
            batch.expire(keys.blocked_hosts(run_id), KEPT_SECONDS)
            batch.execute()

    def blocked(self, run_id: RunId) -> dict[str, int]:
        """The refused connections of all slices of the run, by host."""
        found: Any = self.redis.hgetall(keys.blocked_hosts(run_id))
        return {decode(host): int(count) for host, count in found.items()}

    def note_check(self, spec: RunSpec, check: RunningCheck) -> None:
        """Record the command that the gate starts now, and let the ticket show it if it takes longer than a minute."""
        self.redis.set(keys.running_check(spec.run_id), RUNNING_CHECK.encode(check), ex=KEPT_SECONDS)
        queues.wake_ticket(self.redis, spec.ticket.id, delay=CHECK_SHOWN_SECONDS)

    def running_check(self, run_id: RunId) -> RunningCheck | None:
        """The command that the run executes; None for a run without commands of the gate, and for a finished one."""
        raw = self.redis.get(keys.running_check(run_id)) if self.is_unfinished(run_id) else None
        return RUNNING_CHECK.decode(raw) if raw else None

    def provenance(self, run_id: RunId) -> Provenance | None:
        """The provenance of a finished run; None for one of an older release."""
        raw = self.redis.hget(keys.provenance(run_id), "record")
        return PROVENANCE.decode(raw) if raw else None

    def finish(self, lease: Lease, event: RunFinished, *, heed_guidance: bool) -> bool:
        """End the run and put the event into its ticket's mailbox, atomically.

        False: there is unread guidance that the run has to read first (`heed_guidance`)."""
        r, t = event.run_id, event.ticket_id
        outcome = json.dumps({"kind": event.outcome, "summary": event.summary})
        heed = "heed" if heed_guidance else ""
        provenance = PROVENANCE.encode(event.provenance) if event.provenance else ""
        args = [lease.token, r, t, event.event_id, EVENT.encode(event), heed, outcome, provenance]
        boxes = [keys.steering(r), keys.known_events(t), keys.mailbox(t)]
        names = [keys.lease(lease.name), keys.RUNS, *boxes, keys.READY, keys.transcript(r), keys.provenance(r)]
        ended = run_script(self.redis, "finish_run", names, args)
        if ended:
            run_order.forget(self.redis, r)
            of_run = (keys.run(r), keys.transcript(r), keys.run_ledger(r), keys.provenance(r))
            for key in (*of_run, keys.runs_of(t), keys.fence(lease.name)):
                self.redis.expire(key, KEPT_SECONDS)
        return bool(ended)


class RunConversation:
    """`Conversation` on a Redis stream; every write is fenced by the run's lease."""

    def __init__(
        self,
        runs: Runs,
        spec: RunSpec,
        lease: Lease,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._runs, self._spec, self._lease, self._clock = runs, spec, lease, clock
        self.ledger = Ledger(runs.redis, spec, lease, clock)
        self._breaker = breaker or Breaker(runs.redis, clock=clock)
        self._is_probe = self._is_unparked = False

    @property
    def lease(self) -> Lease:
        """The run's lease."""
        return self._lease

    def entries(self) -> list[Entry]:
        """All entries so far, oldest first."""
        return [entry for _, entry in self._runs.transcript(self._spec.run_id)]

    def append(self, entry: Entry) -> None:
        """Make the entry durable before returning."""
        fail(f"transcript.{entry.kind}", "before")
        args = [entry.kind, json.dumps(dict(entry.data)), uuid4().hex]
        self._script("append", [keys.transcript(self._spec.run_id)], args)
        fail(f"transcript.{entry.kind}", "done")

    def take_steering(self) -> list[Entry]:
        """Move pending guidance into the transcript, and report that to the ticket."""
        r = self._spec.run_id
        taken = self._script("take_steering", [keys.transcript(r), keys.steering(r)], [uuid4().hex])
        if taken:
            self.report_steering()
        return [Entry("steering", json.loads(raw)) for raw in taken]

    def report_steering(self) -> None:
        """Report to the ticket the guidance that the agent has read. Idempotent."""
        t, r = self._spec.ticket.id, self._spec.run_id
        for stream_id, entry in self._runs.transcript(r):
            if entry.kind == "steering":
                ids, event_id = tuple(entry.data["comment_ids"]), f"{r}:heard:{stream_id}"
                event = SteeringTaken(event_id=event_id, ticket_id=t, run_id=r, comment_ids=ids)
                Store(self._runs.redis).deliver(event)

    def reserve(self, least: Usage, most: Usage) -> Grant | Refusal:
        """Reserve one model call in the ledger and ask the circuit breaker. Raises `Frozen`."""
        check_outward()
        grant = self.ledger.reserve(least, most)
        if isinstance(grant, Refusal):
            return grant
        admitted = self._breaker.admit(self._spec.run_id)
        if isinstance(admitted, Open):
            self.ledger.settle(Usage())
            return Refusal(admitted.reason, max(admitted.until - self._clock(), 0.1))
        self._is_probe = admitted == "probe"
        return grant

    def settle(self, usage: Usage, *, answered: bool, failure: IntegrationError | None = None) -> Usage:
        """Count the usage of a call instead of its reservation, and report its result to the circuit breaker."""
        total = self.ledger.settle(usage)
        run_id = self._spec.run_id
        if isinstance(failure, Unavailable | Unauthorized):
            self._breaker.record_failure(run_id, failure)
        elif self._is_probe:
            self._breaker.end_probe(run_id, answered=answered or failure is not None)
        if answered and not failure and not self._is_unparked:
            self._is_unparked = True
            self._unpark()
        return total

    def find_outage(self) -> Open | None:
        """The open circuit breaker when the run has to wait for the provider now."""
        return self._breaker.look(self._spec.run_id)

    def park(self, error: IntegrationError) -> float:
        """Back off because of this error; returns for how many seconds. An open circuit breaker determines it.

        Backing off uses no attempt, iteration or turn. A long backoff is reported on the ticket once when it begins and
        once when it ends."""
        self.ledger.balance()
        now, run_id, redis = self._clock(), self._spec.run_id, self._runs.redis
        wait = self._backoff_seconds(error, now)
        requested = error.requested if isinstance(error, Unavailable) and error.requested != error.retry_after else None
        shortened = {} if requested is None else {"requested_seconds": requested}
        _log.warning("run backs off, will retry", reason=str(error), wait_seconds=round(wait, 1), **shortened)
        until = UNTIL_RESOLVED if isinstance(error, Paused) else now + wait
        if wait > SILENT_SECONDS and abs(self.ledger.parked_until - until) > SILENT_SECONDS:
            self._report_backoff(until, str(error), f"{now + wait:.0f}")
            self.ledger.park(until)
        retry = min(wait, queues.LONGEST_DELAY_SECONDS)
        redis.set(keys.retry_at(run_id), 1, px=max(int(retry * 1000), 1))
        queues.wake_run(redis, run_id, delay=wait)
        return wait

    def _backoff_seconds(self, error: IntegrationError, now: float) -> float:
        if isinstance(error, NotAttempted) and error.retry_after:
            return error.retry_after
        if outage := self.find_outage():
            return max(outage.until - now, 0.1)
        failures = Store(self._runs.redis).count_failure(self._spec.run_id, "unavailable")
        named = error.retry_after if isinstance(error, Unavailable) else None
        return named or exponential_wait(failures, 0.5, LONGEST_SECONDS) * random.uniform(0.5, 1.0)

    def resume(self) -> None:
        """Report the end of a pause by this machine. The end of other backoffs is reported after a model call."""
        if self.ledger.parked_until >= UNTIL_RESOLVED:
            self._unpark()

    def _unpark(self) -> None:
        self._runs.redis.hdel(keys.failures(self._spec.run_id), "unavailable")
        if since := self.ledger.parked_until:
            self._report_backoff(0, "", f"after-{min(since, self._clock()):.0f}")
            self.ledger.park(0)

    def _report_backoff(self, until: float, reason: str, name: str) -> None:
        event = RunParked(
            event_id=f"{self._spec.run_id}:parked:{name}",
            ticket_id=self._spec.ticket.id,
            at=time.time(),
            run_id=self._spec.run_id,
            generation=self._spec.generation,
            until=until,
            reason=reason[:500],
        )
        if Store(self._runs.redis).deliver(event):
            queues.wake_ticket(self._runs.redis, event.ticket_id)

    def share_used(self) -> float:
        """The used share of the tightest limit other than turns."""
        return self.ledger.share_used

    def _script(self, name: str, more_keys: list[str], args: list[str]) -> Any:
        names = [keys.lease(self._lease.name), *more_keys]
        return run_script(self._runs.redis, name, names, [self._lease.token, *args])


def stop_predicate(runs: Runs, run_id: RunId, lease: Lease, stopping: Callable[[], bool]) -> Callable[[], bool]:
    """Polled by runner and sandbox: true on a stop, when the lease is lost, and on shutdown."""
    return lambda: stopping() or lease.lost or runs.must_stop(run_id)


def _entry(fields: dict[bytes, bytes]) -> Entry:
    kind: Any = fields[b"kind"].decode()
    return clean_entry(Entry(kind, json.loads(fields[b"data"])))  # an older release stored unclean ones
