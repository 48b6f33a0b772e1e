"""Requests of a person: the rights on the board, and effects through the ticket's mailbox. Called by the tools.

A request becomes an event like a comment of this person, which the worker posts on the ticket and decides by the same
rules; nothing here changes a loop. The rights for reading are some minutes old at most; those for an effect are looked
up again by the worker.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from mcp.server.mcpserver.exceptions import ToolError
from redis import Redis
from redis.exceptions import RedisError

from integrations.events import TicketCommented
from integrations.values import Person
from jobs.loop.call_commands import CallAnswer
from jobs.loop.state import Loop
from jobs.runtime import keys, queues
from jobs.store.access_tokens import AccessToken
from jobs.store.calls import REQUEST_SECONDS, KeyReused, claim_call, find_answer
from jobs.store.members import Membership, find_member
from jobs.store.tickets import Store

T = TypeVar("T")
CLIENT = "MCP"
EFFECTS = 20
"""Requests with an effect of one token in a minute."""
RIGHTS_SECONDS, ANSWER_SECONDS, POLL_SECONDS = 10.0, 20.0, 0.1
"""To wait for a worker's look-up, and for a decision."""


@dataclass(frozen=True)
class Call:
    """A request with an effect. `command` is that of a comment, empty for a sentence; `key` makes retries idempotent,
    empty for the JSON-RPC id `request`; `commit` is the head that it is for, empty for any."""

    command: str
    text: str
    key: str
    request: str
    commit: str = ""


class Calls:
    """Rights and effects of the people that use one server."""

    def __init__(
        self, redis: Redis, rights_seconds: float = RIGHTS_SECONDS, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._redis, self._store = redis, Store(redis)
        self._rights_seconds, self._answer_seconds = rights_seconds, answer_seconds
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._effects = RateLimitItemPerMinute(EFFECTS)

    async def find_rights(self, token: AccessToken, *, fresh: bool = False) -> tuple[Person, Membership]:
        """The person of the token, some minutes old at most, or `fresh`. Raises `ToolError` without an active account
        on the board."""
        if fresh:
            await in_thread(lambda: self._redis.delete(keys.member(token.email)))

        def look_up() -> Membership | None:
            found = find_member(self._redis, token.email)
            if found is None:
                queues.wake(self._redis, queues.LOOK_UP_MEMBER, token.email)
            return found

        found = await _poll(lambda: in_thread(look_up), self._rights_seconds)
        if found is None:
            raise ToolError("No worker has looked up your rights on the board yet: retry in a minute.")
        if found.problem:
            raise ToolError(f"Your rights cannot be looked up on the board now ({found.problem}): retry in a minute.")
        if found.person is None:
            raise ToolError(
                f"No active member of the board has the address {token.email} of your token: ask an administrator of "
                "the board for an account, or the operator of Loopline for a token with your address."
            )
        return found.person, found

    async def send(self, token: AccessToken, loop: Loop, call: Call) -> CallAnswer | None:
        """Deliver the request once, and wait for the decision; None if that takes longer. Raises `ToolError`."""
        self.count_effect(token)
        event_id = await in_thread(lambda: self._deliver(token, loop, call))
        answer = await _poll(lambda: in_thread(lambda: find_answer(self._redis, event_id)), self._answer_seconds)
        if answer and answer.refusal:
            raise ToolError(answer.refusal)
        return answer

    def count_effect(self, token: AccessToken) -> None:
        """Count a request with an effect. Raises `ToolError` for one too many."""
        if not self._limiter.hit(self._effects, token.id):
            raise ToolError(f"More than {EFFECTS} requests with an effect in a minute: wait a minute.")

    def _deliver(self, token: AccessToken, loop: Loop, call: Call) -> str:
        """The id of the request's event, which is in the mailbox or was decided."""
        arguments = [loop.ticket.id, call.command, call.text, call.commit]
        event_id = claim(self._redis, token, arguments, call.key, call.request)
        at = time.time()
        event = TicketCommented(
            event_id=event_id,
            ticket_id=loop.ticket.id,
            at=at,
            written_at=at,
            comment_id="",
            body=call.text,
            author=Person(id="", email=token.email),
            through=CLIENT,
            command=call.command,
            commit=call.commit,
        )
        if not self._store.deliver(event) and not self._store.is_known(event):
            raise ToolError(f"Too much waits for a decision about {loop.identifier}: retry in a minute.")
        queues.wake_ticket(self._redis, loop.ticket.id)
        return event_id


def claim(redis: Redis, token: AccessToken, arguments: list[str], key: str, request: str) -> str:
    """The event id of a request, the same for its retries: with the person's `key` for a day, without one with the id
    of the JSON-RPC `request` for a minute. Raises `ToolError` for a key of another request."""
    try:
        if key:
            return claim_call(redis, token.email, key, arguments)
        return claim_call(redis, token.id, repr([request, *arguments]), arguments, seconds=REQUEST_SECONDS)
    except KeyReused:
        raise ToolError("This idempotency_key belongs to another request: choose a new one.") from None


async def in_thread(read: Callable[[], T]) -> T:
    """The result of a blocking call. Raises `ToolError` while Redis is unavailable."""
    try:
        return await anyio.to_thread.run_sync(read)
    except RedisError as error:
        raise ToolError("Redis does not respond: retry in a minute.") from error


async def _poll(read: Callable[[], Awaitable[T | None]], seconds: float) -> T | None:
    """The first result of `read`; None after `seconds` without one."""
    deadline = anyio.current_time() + seconds
    while (found := await read()) is None and anyio.current_time() < deadline:
        await anyio.sleep(POLL_SECONDS)
    return found
