"""One streaming call to Anthropic's Messages API that can be stopped at any moment.

Called by `anthropic_api`. The SDK does retries, timeouts and the parsing of the stream; here a stop becomes the
cancellation of a task, which ends a connect, a wait for the first byte, a pause between retries and a stream alike.
Never logs what is said.
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
from anthropic import AnthropicError, APIConnectionError, APIStatusError, AsyncAnthropic, Timeout

from integrations.errors import IntegrationError, Rejected, Unauthorized, Unavailable

BASE_URL = "https://api.anthropic.com"
POLL_SECONDS = 0.2
SILENCE_SECONDS = 300.0
_RETRY_STATUS = frozenset({408, 409, 425, 429})
_RETRY_TYPES = frozenset({"overloaded_error", "api_error", "rate_limit_error", "timeout_error"})


class PromptTooLong(Rejected):
    """The conversation has outgrown the model's context window."""


@dataclass
class Reply:
    """A reply as far as it got. `whole` once all of it was handed over; `usage` and `applied_edits` are in Anthropic's
    wire format, `cache_miss` is its word for why the cache was of no use."""

    whole: bool = False
    blocks: int = 0
    stop_reason: str = ""
    explanation: str = ""
    message_id: str = ""
    cache_miss: str = ""
    applied_edits: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)


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
            timeout=Timeout(SILENCE_SECONDS, connect=10.0),
            max_retries=2,
            open_telemetry=False,
        )

    def stream(self, request: Mapping[str, Any], reply: Reply, stopped: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Finished content blocks in wire shape, as they finish, while `reply` is filled in.

        Ends early when `stopped()`. Raises `Unavailable`, or `Rejected` where a retry would not help."""
        finished: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        call = asyncio.run_coroutine_threadsafe(self._read(request, reply, finished), self._loop)
        call.add_done_callback(lambda _: finished.put(None))
        try:
            if (yield from _until_stopped(finished, stopped)):
                _raise_failure(call)
                reply.whole = True
        finally:
            call.cancel()

    async def _read(
        self, request: Mapping[str, Any], reply: Reply, finished: SimpleQueue[dict[str, Any] | None]
    ) -> None:
        async with self._client.beta.messages.stream(**request) as stream:
            async for event in stream:
                if event.type in ("message_start", "message_delta"):
                    _note(reply, stream.current_message_snapshot)
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


def _raise_failure(call: Future[None]) -> None:
    try:
        call.result()
    except (AnthropicError, httpx2.HTTPError, ValueError) as error:
        raise translated(error) from error


def translated(error: Exception) -> IntegrationError:
    """A failure of the SDK in our two words. The provider's own words are kept, the request's content never."""
    if isinstance(error, APIStatusError):
        return _translated_status(error)
    if isinstance(error, APIConnectionError | httpx2.HTTPError):
        return Unavailable(f"The model cannot be reached ({type(error).__name__}): check the network and the base URL.")
    if isinstance(error, ValueError):
        return Unavailable("The model's reply could not be read as its wire format.")
    return Rejected(f"The model client refused the call ({type(error).__name__}).")


def _translated_status(error: APIStatusError) -> IntegrationError:
    said = error.api_message or f"HTTP {error.status_code}"
    if error.status_code in (401, 403):
        return Unauthorized(f"Anthropic refuses the key in ANTHROPIC_API_KEY: {said}")
    # An error inside a stream comes with status 200; there only its type tells.
    if error.status_code in _RETRY_STATUS or error.status_code >= 500 or error.type in _RETRY_TYPES:
        return Unavailable(f"The model is not available now: {said}", _retry_after(error))
    if error.status_code == 400 and "prompt is too long" in said.lower():
        return PromptTooLong(f"Anthropic rejected the request: {said}")
    return Rejected(f"Anthropic rejected the request: {said}")


def _retry_after(error: APIStatusError) -> float | None:
    try:
        return float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
