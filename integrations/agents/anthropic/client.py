"""One streaming call to Anthropic's Messages API that can be stopped at any moment.

Called by `runner`. The SDK does timeouts and the parsing of the stream; here a stop becomes the cancellation
of a task, which ends a connect, a wait for the first byte and a stream alike. It never tries again by itself: every
call is reserved and counted, so retries belong to the caller. Never logs content.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import httpx2
from anthropic import AnthropicError, AsyncAnthropic, Timeout

from integrations.agents.anthropic.refusals import may_be_billed, translated
from integrations.errors import Unavailable
from integrations.failpoints import fail

BASE_URL = "https://api.anthropic.com"
POLL_SECONDS = 0.2
CONNECT_SECONDS = 10.0
BYTES_PER_TOKEN = 2


@dataclass
class Reply:
    """A reply as far as it got. `whole` once all of it was handed over; `usage` and `applied_edits` are in Anthropic's
    wire format and empty before the provider's first word; `cache_miss` is its word for why the cache was of no use.
    `unheard`: it may have worked on the prompt all the same, and bill it."""

    whole: bool = False
    blocks: int = 0
    stop_reason: str = ""
    explanation: str = ""
    message_id: str = ""
    cache_miss: str = ""
    applied_edits: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    unheard: bool = False


class ModelClient:
    """The connection pool of a process, on an event loop in a thread of its own. Made lazily: after any fork."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-client", daemon=True)
        self._thread.start()
        # A base URL is always passed: left out, the SDK reads the environment.
        self._client = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            open_telemetry=False,
        )

    def stream(
        self, request: Mapping[str, Any], reply: Reply, stopped: Callable[[], bool], idle_seconds: float
    ) -> Iterator[dict[str, Any]]:
        """Finished content blocks in wire shape, as they finish, while `reply` is filled in.

        Ends early when `stopped()`. Raises `Unavailable`, also after `idle_seconds` without a byte, or `Rejected`
        where a retry would not help."""
        fail("model.stream", "before")
        finished: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        limit = Timeout(idle_seconds, connect=min(CONNECT_SECONDS, idle_seconds))
        call = asyncio.run_coroutine_threadsafe(self._read({**request, "timeout": limit}, reply, finished), self._loop)
        call.add_done_callback(lambda _: finished.put(None))
        try:
            if (yield from _until_stopped(finished, stopped)):
                _raise_failure(call, reply)
                reply.whole = True
                fail("model.stream", "done")
            else:
                reply.unheard = not reply.usage
        finally:
            call.cancel()

    async def _read(
        self, request: Mapping[str, Any], reply: Reply, finished: SimpleQueue[dict[str, Any] | None]
    ) -> None:
        async with self._client.beta.messages.stream(**request) as stream:
            fail("model.stream", "sent")
            said = 0
            async for event in stream:
                if event.type in ("message_start", "message_delta"):
                    _note(reply, stream.current_message_snapshot)
                elif event.type == "content_block_delta":
                    # Only the last event has the usage: a reply that is cut off before it has to be estimated.
                    said += len(_words_of(event.delta).encode())
                    known = reply.usage.get("output_tokens") or 0
                    reply.usage["output_tokens"] = max(known, said // BYTES_PER_TOKEN)
                elif event.type == "content_block_stop":
                    reply.blocks += 1
                    finished.put(event.content_block.to_dict(exclude_none=True))
                elif event.type == "message_stop":
                    details = event.message.stop_details
                    reply.explanation = getattr(details, "explanation", None) or ""
                    reply.stop_reason = event.message.stop_reason or ""
        if not reply.stop_reason:
            raise Unavailable("The model's reply broke off before its end.")

    def close(self) -> None:
        """Close the connections and end the thread."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _note(reply: Reply, message: Any) -> None:
    reply.usage = message.usage.to_dict()
    reply.message_id = message.id
    told = message.to_dict()
    reply.cache_miss = ((told.get("diagnostics") or {}).get("cache_miss_reason") or {}).get("type") or ""
    reply.applied_edits = (told.get("context_management") or {}).get("applied_edits") or []


def _words_of(delta: object) -> str:
    """The text of a delta of any kind of block."""
    return next((str(text) for name in ("text", "partial_json", "thinking") if (text := getattr(delta, name, ""))), "")


def _until_stopped(
    finished: SimpleQueue[dict[str, Any] | None], stopped: Callable[[], bool]
) -> Generator[dict[str, Any], None, bool]:
    """Returns whether the call came to its own end."""
    while not stopped():
        try:
            block = finished.get(timeout=POLL_SECONDS)
        except Empty:
            continue
        if block is None:
            return True
        yield block
    return False


def _raise_failure(call: Future[None], reply: Reply) -> None:
    try:
        call.result()
    except (AnthropicError, httpx2.HTTPError, ValueError) as error:
        reply.unheard = not reply.usage and may_be_billed(error)
        raise translated(error) from error
