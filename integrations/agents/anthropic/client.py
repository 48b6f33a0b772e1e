"""One streaming call to Anthropic's Messages API that can be stopped at any moment.

Called by `runner`. A stop cancels the task, so it interrupts a connect, a wait for the first byte and a stream alike.
It never retries: each call is reserved and counted, so retries belong to the caller. Never logs content.
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

from integrations.agents.anthropic.refusals import may_be_billed, translate_error
from integrations.errors import Unavailable
from integrations.failpoints import fail

BASE_URL = "https://api.anthropic.com"
POLL_SECONDS = 0.2
CONNECT_SECONDS = 10.0
BYTES_PER_TOKEN = 2


@dataclass
class Reply:
    """The received part of a reply. `usage` and `applied_edits` are in Anthropic's wire format and empty before its
    first event; `cache_miss` is its reason for a cache miss. `maybe_billed`: no usage was received, but the provider
    can bill the prompt."""

    is_complete: bool = False
    blocks: int = 0
    stop_reason: str = ""
    explanation: str = ""
    message_id: str = ""
    cache_miss: str = ""
    applied_edits: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    maybe_billed: bool = False


class ModelClient:
    """The connection pool of a process, on an event loop in its own thread. Created lazily: after any fork."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-client", daemon=True)
        self._thread.start()
        url = base_url or BASE_URL  # without one the SDK reads the environment
        self._client = AsyncAnthropic(api_key=api_key, base_url=url, max_retries=0, open_telemetry=False)

    def stream(
        self, request: Mapping[str, Any], reply: Reply, stopped: Callable[[], bool], idle_seconds: float
    ) -> Iterator[dict[str, Any]]:
        """Yield each content block in wire format once complete, and fill in `reply`. Ends early when `stopped()`.

        Raises `Unavailable`, also after `idle_seconds` without a byte, or `Rejected` where a retry would not help."""
        fail("model.stream", "before")
        finished: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        limit = Timeout(idle_seconds, connect=min(CONNECT_SECONDS, idle_seconds))
        call = asyncio.run_coroutine_threadsafe(self._read({**request, "timeout": limit}, reply, finished), self._loop)
        call.add_done_callback(lambda _: finished.put(None))
        try:
            if (yield from _until_stopped(finished, stopped)):
                _raise_failure(call, reply)
                reply.is_complete = True
                fail("model.stream", "done")
            else:
                reply.maybe_billed = not reply.usage
        finally:
            call.cancel()

    async def _read(
        self, request: Mapping[str, Any], reply: Reply, finished: SimpleQueue[dict[str, Any] | None]
    ) -> None:
        async with self._client.beta.messages.stream(**request) as stream:
            fail("model.stream", "sent")
            received = 0
            async for event in stream:
                if event.type in ("message_start", "message_delta"):
                    _update_reply(reply, stream.current_message_snapshot)
                elif event.type == "content_block_delta":
                    # Only the last event has the final usage, so estimate for a reply that is cut off before it.
                    received += len(_delta_text(event.delta).encode())
                    known = reply.usage.get("output_tokens") or 0
                    reply.usage["output_tokens"] = max(known, received // BYTES_PER_TOKEN)
                elif event.type == "content_block_stop":
                    reply.blocks += 1
                    finished.put(event.content_block.to_dict(exclude_none=True))
                elif event.type == "message_stop":
                    details = event.message.stop_details
                    reply.explanation = getattr(details, "explanation", None) or ""
                    reply.stop_reason = event.message.stop_reason or ""
        if not reply.stop_reason:
            raise Unavailable("The model's reply ended before it was complete.")

    def close(self) -> None:
        """Close the connections and end the thread."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _update_reply(reply: Reply, message: Any) -> None:
    reply.usage = message.usage.to_dict()
    reply.message_id = message.id
    payload = message.to_dict()
    reply.cache_miss = ((payload.get("diagnostics") or {}).get("cache_miss_reason") or {}).get("type") or ""
    reply.applied_edits = (payload.get("context_management") or {}).get("applied_edits") or []


def _delta_text(delta: object) -> str:
    """The text of a delta of any kind of block."""
    return next((str(text) for name in ("text", "partial_json", "thinking") if (text := getattr(delta, name, ""))), "")


def _until_stopped(
    finished: SimpleQueue[dict[str, Any] | None], stopped: Callable[[], bool]
) -> Generator[dict[str, Any], None, bool]:
    """Yield blocks until the call ends or is stopped; returns whether it ended."""
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
        reply.maybe_billed = not reply.usage and may_be_billed(error)
        raise translate_error(error) from error
