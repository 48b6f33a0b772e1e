"""Requests of people that wait for a decision about a ticket: their idempotency keys and their answers.

A request is an event in the ticket's mailbox, so that it is decided once; its answer is stored by a worker and can be
read again by a retry.
"""

from __future__ import annotations

import hashlib
import json
from typing import cast
from uuid import uuid4

from redis import Redis

from jobs.loop.call_commands import CALL_ANSWER, CallAnswer
from jobs.runtime import keys

KEY_SECONDS, ANSWER_SECONDS = 86_400, 3_600
REQUEST_SECONDS = 60
"""In which a client repeats a request without a key of its own. Short, since the ids of a new client begin anew."""


class KeyReused(Exception):
    """The idempotency key belongs to a request with other arguments."""


def claim_call(redis: Redis, caller: str, key: str, arguments: object, *, seconds: int = KEY_SECONDS) -> str:
    """The event id of this request, the same for every retry of the caller with this key within `seconds`. Raises
    `KeyReused`."""
    name, digest = keys.call(_digest([caller, key])), _digest(arguments)
    redis.set(name, json.dumps([f"call:{uuid4().hex}", digest]), nx=True, ex=seconds)
    event_id, known = json.loads(cast(bytes, redis.get(name)))
    if known != digest:
        raise KeyReused
    return str(event_id)


def store_answer(redis: Redis, event_id: str, answer: CallAnswer) -> None:
    """Store the answer for the client and its retries. Idempotent."""
    redis.set(keys.call_answer(event_id), CALL_ANSWER.encode(answer), ex=ANSWER_SECONDS)


def find_answer(redis: Redis, event_id: str) -> CallAnswer | None:
    """The answer, None before the decision."""
    raw = redis.get(keys.call_answer(event_id))
    return CALL_ANSWER.decode(raw) if raw else None


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
