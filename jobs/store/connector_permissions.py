"""A person's permission for one call of a connector's tool that changes something: a question of the run, by the call.

The agent process asks; the connectors process checks the stored answer, which has to be for the same arguments.
"""

from __future__ import annotations

import re

from redis import Redis

from jobs.runtime import keys
from jobs.runtime.requests import ANSWER, REQUEST, Answer, Request

KIND = "connector_permission"
CHOICES = ("yes", "no")
_YES = re.compile(r"(?:@\S+\s+)?(?:yes|y|ok|okay|allow|allowed|approve|approved)[\s.!]*", re.IGNORECASE)


def build_permission_request(call: Request) -> Request:
    """The question about a call, with its arguments."""
    return Request(kind=KIND, run_id=call.run_id, call_id=f"{call.call_id}/permission", arguments=call.arguments)


def is_yes(answer: Answer) -> bool:
    """Whether the whole reply, below the line with its author, is a yes: a condition in it is for the agent first."""
    return not answer.is_error and _YES.fullmatch(answer.text.partition("\n")[2].strip()) is not None


def has_permission(redis: Redis, call: Request) -> bool:
    """Whether a person has allowed exactly this call."""
    asked = build_permission_request(call)
    raw, answer = redis.hmget(keys.request(asked.id), ["request", "answer"])
    if not raw or not answer:
        return False
    return REQUEST.decode(raw) == asked and is_yes(ANSWER.decode(answer))
