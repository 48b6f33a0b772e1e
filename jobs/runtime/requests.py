"""Requests of agent processes, which have no tokens, to a process that has them; stored in Redis.

`Requests.ask` is called by host tools (`jobs.roles.requests`), the rest by the answering process
(`jobs.effects.answering`). A request is idempotent by run and tool call: a crashed agent that asks again gets the
stored answer, and the first answer stays. The queue job is a wake-up only: the asker repeats a lost one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from redis import Redis

from integrations.errors import NotAttempted
from integrations.ports.agent_runner import Unanswered
from integrations.texts import cut
from integrations.values import Codec, RunId, clean_text, value
from jobs.runtime import keys, queues
from jobs.runtime.lease import Lease
from jobs.runtime.scripts import decode, run_script

MAX_ARGUMENT_BYTES = 64_000
MAX_ANSWER_CHARACTERS = 64_000
KEPT_SECONDS = 7 * 86_400
QUESTION_KEPT_SECONDS = 365 * 86_400
POLL_SECONDS = 0.1
CONTINUE = "Continue without it, or try again later."
UNCERTAIN = "The call can have had its effect: look before you repeat it."
WAKE_SECONDS = 5.0
"""After which an asker repeats the wake-up."""


@dataclass(frozen=True)
class RequestKind:
    """How requests of one kind are answered.

    `job` is the queue job of the answering process, `seconds` its time limit, `most` the number per run. With
    `retries`, for idempotent writes, an outage or a timeout lets the run back off and repeat the request; without, it
    becomes the answer, which ends with `advice`."""

    job: str = queues.SERVE
    seconds: float = 60.0
    most: int = 100
    retries: bool = False
    advice: str = CONTINUE


KINDS: dict[str, RequestKind] = {
    "ask_person": RequestKind(most=3),
    "propose_ticket": RequestKind(most=3),
    "read_tickets": RequestKind(most=50),
    "read_ci_log": RequestKind(seconds=150.0, most=50),
    "read_repository": RequestKind(seconds=180.0, most=50),
    "search_code": RequestKind(most=30),
    "query_database": RequestKind(most=50),
}
"""By name. The performers are registered by the answering process."""


@value
class Request:
    """One tool call of a run: `call_id` is unique in it."""

    kind: str
    run_id: RunId
    call_id: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """32 hex digits, the same for every repetition of the call."""
        return hashlib.sha256(f"{self.run_id}\0{self.call_id}".encode()).hexdigest()[:32]


@value
class Answer:
    """The answer to a request: text for the model, not yet fenced."""

    text: str
    is_error: bool = False


REQUEST: Codec[Request] = Codec(Request)
ANSWER: Codec[Answer] = Codec(Answer)


class Requests:
    """All requests in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ask(
        self, request: Request, lease: Lease, stopped: Callable[[], bool], kind: RequestKind | None = None
    ) -> Answer:
        """Store the request, wake the answering process and wait. `lease` is that of the run.

        Raises `Unanswered` when the slice ends first, `NotAttempted` when the run has to back off, `LeaseLost`."""
        kind = kind or KINDS.get(request.kind)
        if kind is None:
            return Answer(text=f"There are no requests of the kind {request.kind!r}.", is_error=True)
        return self.store(request, lease, kind) or self._wait(request, lease, stopped, kind)

    def store(self, request: Request, lease: Lease, kind: RequestKind, seconds: int = KEPT_SECONDS) -> Answer | None:
        """Store the request for `seconds`; returns its answer if there is one already, or a refusal beyond a limit."""
        raw = REQUEST.encode(request)
        if len(raw) > MAX_ARGUMENT_BYTES:
            size = f"{len(raw):,} bytes; at most {MAX_ARGUMENT_BYTES:,} are allowed"
            return Answer(text=f"The arguments have {size}.", is_error=True)
        names = [keys.lease(lease.name), keys.request(request.id), keys.requests_of(request.run_id, request.kind)]
        reply = run_script(self._redis, "ask", names, [lease.token, clean_text(raw), request.id, kind.most, seconds])
        if reply == b"FULL":
            text = f"This run has made its {kind.most} requests of this kind; continue without another one."
            return Answer(text=text, is_error=True)
        return ANSWER.decode(reply) if reply else None

    def _wait(self, request: Request, lease: Lease, stopped: Callable[[], bool], kind: RequestKind) -> Answer:
        began, next_wake = time.monotonic(), 0.0
        while True:
            if time.monotonic() >= next_wake:
                next_wake = time.monotonic() + WAKE_SECONDS
                queues.wake(self._redis, kind.job, request.id)
            raw, found = self._redis.hmget(keys.request(request.id), ["answer", "outage"])
            if raw:
                return ANSWER.decode(raw)
            outage = json.loads(found) if found else {}
            left = began + kind.seconds - time.monotonic()
            if outage and kind.retries:
                raise NotAttempted(outage["reason"], outage["seconds"])
            if left <= 0 or outage.get("seconds", 0.0) > left:
                return self._give_up(request, lease, kind, outage.get("reason", ""))
            if stopped():
                raise Unanswered
            time.sleep(POLL_SECONDS)

    def _give_up(self, request: Request, lease: Lease, kind: RequestKind, reason: str) -> Answer:
        """End the request without its answer, unless that arrives at this moment. Raises `NotAttempted`."""
        reason = reason or f"no answer within {kind.seconds:g} s"
        if kind.retries:
            raise NotAttempted(reason)
        text = f"Not available now: {reason}. {kind.advice}"
        return self._store(request.id, lease, Answer(text=text, is_error=True))

    def ask_person(self, request: Request, lease: Lease, kind: RequestKind) -> Answer | None:
        """Store a question to a person, which a decision about the run's ticket answers; returns the answer, or None
        while the run has to wait. A run has one open question at a time."""
        names = [keys.lease(lease.name), keys.question(request.run_id)]
        args: list[str | int] = [lease.token, request.id, keys.request(""), QUESTION_KEPT_SECONDS]
        if not run_script(self._redis, "open_question", names, args):
            return Answer(text="One question is still open. Ask again once it is answered.", is_error=True)
        return self.store(request, lease, kind, QUESTION_KEPT_SECONDS)

    def note_asked(self, question: Request) -> None:
        """The question is in the mailbox of the ticket: from now on its answer, or a stop, wakes the run."""
        self._redis.hset(keys.request(question.id), "asked", 1)

    def awaits_person(self, run_id: RunId) -> bool:
        """Whether the run waits for the answer to a question, and was not stopped. One that crashed before its question
        was in the mailbox is advanced, and asks again."""
        request_id = decode(self._redis.get(keys.question(run_id)) or b"")
        if not request_id or self._redis.exists(keys.stop(run_id)):
            return False
        asked, answer = self._redis.hmget(keys.request(request_id), ["asked", "answer"])
        return bool(asked) and not answer

    def find_open(self, request_id: str) -> tuple[Request, str] | None:
        """The request without an answer, and the fencing token of the run that waits for it; None without one."""
        raw, token, answer = self._redis.hmget(keys.request(request_id), ["request", "token", "answer"])
        return (REQUEST.decode(raw), decode(token or b"")) if raw and not answer else None

    def is_answered(self, request_id: str) -> bool:
        """Whether there is an answer, also that of an asker that waited too long."""
        return bool(self._redis.hexists(keys.request(request_id), "answer"))

    def is_wanted(self, request: Request, token: str) -> bool:
        """Whether the run still waits: it has not finished, was not stopped, and has not lost its lease since."""
        run, name = request.run_id, f"run:{request.run_id}"
        if self._redis.exists(keys.stop(run)) or not self._redis.sismember(keys.RUNS, run):
            return False
        holder = decode(self._redis.get(keys.lease(name)) or b"")
        fence = decode(self._redis.get(keys.fence(name)) or b"")
        return holder == token or (not holder and fence == token.rpartition(":")[2])

    def answer(self, request_id: str, lease: Lease, answer: Answer) -> Answer:
        """Store the answer, cut to its size limit, and return the one that stays. `lease` is that of the answering
        process: the request's, or the ticket's."""
        return self._store(request_id, lease, answer)

    def note_outage(self, request_id: str, job: str, reason: str, seconds: float) -> None:
        """Record why there is no answer yet, and queue `job` again after `seconds`."""
        self._redis.hset(keys.request(request_id), "outage", json.dumps({"reason": reason, "seconds": seconds}))
        queues.wake(self._redis, job, request_id, delay=seconds)

    def _store(self, request_id: str, lease: Lease, answer: Answer) -> Answer:
        kept = Answer(text=clean_text(cut(answer.text, MAX_ANSWER_CHARACTERS)), is_error=answer.is_error)
        names = [keys.lease(lease.name), keys.request(request_id)]
        raw = run_script(self._redis, "answer", names, [lease.token, ANSWER.encode(kept), KEPT_SECONDS])
        return ANSWER.decode(raw) if raw else kept
