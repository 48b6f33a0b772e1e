"""One streaming call to Anthropic's Messages API that can be stopped at any moment.

Called by `runner`. A stop cancels the task, so it interrupts a connect, a wait for the first byte and a stream alike.
It never retries: each call is reserved and counted, so retries belong to the caller. Never logs content.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

import httpx2
from anthropic import (
    AnthropicError,
    APIStatusError,
    AsyncAnthropic,
    AsyncStream,
    DefaultAsyncHttpxClient,
    Timeout,
)

from integrations.agents.anthropic.refusals import WRONG_URL, may_be_billed, translate_error
from integrations.agents.anthropic.reply import Reply, parse_json
from integrations.disk import is_exhausted
from integrations.errors import IntegrationError, Misconfigured, Unavailable, Unusable, hide_secret
from integrations.failpoints import fail

BASE_URL = "https://api.anthropic.com"
POLL_SECONDS = 0.2
CONNECT_SECONDS = 10.0
CHECK_SECONDS = 10.0
MAX_WIRE_BYTES = 16_000_000  # of one response; a reply of 16,000 tokens has about 3 MB
_FAILURES = (AnthropicError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, IntegrationError)


class ModelClient:
    """The connection pool of a process, on an event loop in its own thread. Created lazily: after any fork.

    Raises `Misconfigured` when the host's proxy or certificates cannot be used."""

    def __init__(self, api_key: str, base_url: str | None = None) -> None:
        client = _build_client(api_key, base_url or BASE_URL)  # without one the SDK reads the environment
        self._api_key = api_key
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model-client", daemon=True)
        self._thread.start()
        self._client = client

    def stream(
        self,
        request: Mapping[str, Any],
        reply: Reply,
        stopped: Callable[[], bool],
        idle_seconds: float,
        reply_seconds: float = 1800.0,
    ) -> Iterator[dict[str, Any]]:
        """Yield each content block in wire format once complete, and fill in `reply`. Ends early when `stopped()`.

        Raises `Unavailable`, also after `idle_seconds` without a byte, `Unusable` for a reply that cannot be used or
        takes longer than `reply_seconds`, and another `Rejected` where a retry would not help."""
        fail("model.stream", "before")
        finished: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        limit = Timeout(idle_seconds, connect=min(CONNECT_SECONDS, idle_seconds))
        reading = self._read({**request, "timeout": limit}, reply, finished, reply_seconds)
        call = asyncio.run_coroutine_threadsafe(reading, self._loop)
        call.add_done_callback(lambda _: finished.put(None))
        try:
            if (yield from _until_stopped(finished, stopped)):
                self._raise_failure(call, reply)
                fail("model.stream", "done")
            else:
                reply.maybe_billed = not reply.has_begun
        finally:
            call.cancel()

    async def _read(
        self, request: Mapping[str, Any], reply: Reply, finished: SimpleQueue[dict[str, Any] | None], seconds: float
    ) -> None:
        try:
            async with (
                asyncio.timeout(seconds),
                await self._client.beta.messages.create(**request, stream=True) as stream,
            ):
                fail("model.stream", "sent")
                _check_content_type(stream.response)
                async for event in AsyncStream.raw_events(stream.response):
                    if reply.is_complete:
                        continue  # a gateway can append OpenAI's [DONE]; read to the end to reuse the connection
                    content = parse_json(event.data) if event.data else {"type": "ping"}
                    if event.event == "error" or (isinstance(content, dict) and content.get("type") == "error"):
                        raise APIStatusError("error event", response=stream.response, body=content)
                    if block := reply.add_event(content):
                        finished.put(block)
        except TimeoutError:
            raise Unusable(f"The model's reply did not end within {seconds:.0f} seconds.") from None
        if not reply.is_complete:
            raise Unavailable("The model's reply ended before it was complete.")

    def check_model(self, request: Mapping[str, Any], *, thorough: bool) -> None:
        """Make a free request with the settings of a call: counts the tokens of its prompt. Raises as `stream` does.

        `thorough`: then also a call of one token, which finds an account without credit."""
        asyncio.run_coroutine_threadsafe(self._check(request, thorough), self._loop).result()

    async def _check(self, request: Mapping[str, Any], thorough: bool) -> None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                counted: Any = await self._client.beta.messages.count_tokens(**request)
        except TimeoutError:
            raise Unavailable(f"The model did not answer within {CHECK_SECONDS:.0f} seconds.") from None
        except _FAILURES as error:
            if not _is_missing_route(error):
                raise self._translate(error) from error
            if thorough:
                await self._call_once(request)
            return
        if type(getattr(counted, "input_tokens", None)) is not int:
            raise Misconfigured(f"The model server does not answer as Anthropic's API: {WRONG_URL}.")
        if thorough:
            await self._call_once(request)

    async def _call_once(self, request: Mapping[str, Any]) -> None:
        try:
            await self._read({**request, "max_tokens": 1}, Reply(), SimpleQueue(), CHECK_SECONDS)
        except _FAILURES as error:
            raise self._translate(error) from error

    def _raise_failure(self, call: Future[None], reply: Reply) -> None:
        try:
            call.result()
        except _FAILURES as error:
            failure = self._translate(error)
            reply.maybe_billed = not reply.has_begun and may_be_billed(failure, error)
            raise failure from error

    def _translate(self, error: Exception) -> IntegrationError:
        return hide_secret(translate_error(error), self._api_key)

    def close(self) -> None:
        """Close the connections and end the thread."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _build_client(api_key: str, url: str) -> AsyncAnthropic:
    try:
        http = DefaultAsyncHttpxClient(
            base_url=url,
            follow_redirects=False,  # a key stays with the configured host
            headers={"accept-encoding": "identity"},
            event_hooks={"response": [_limit_response]},
        )
    except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:  # before any request, so of this host
        if is_exhausted(error):
            raise
        variables = "SSL_CERT_FILE, SSL_CERT_DIR" if isinstance(error, OSError) else "HTTPS_PROXY, ALL_PROXY, NO_PROXY"
        raise Misconfigured(
            f"No request can be sent to the model ({type(error).__name__}): correct the value of {variables} in the "
            "environment of the agent processes."
        ) from error
    return AsyncAnthropic(api_key=api_key, base_url=url, max_retries=0, open_telemetry=False, http_client=http)


class _LimitedStream(httpx2.AsyncByteStream):
    """A response's body that raises `Unusable` beyond `MAX_WIRE_BYTES`."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._body:
            received += len(chunk)
            if received > MAX_WIRE_BYTES:
                raise Unusable(f"The model's reply has more than {MAX_WIRE_BYTES:,} bytes.")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


async def _limit_response(response: httpx2.Response) -> None:
    """Limit the size of every response, before the SDK reads it. It is not decompressed, which could exceed the limit;
    uncompressed content was requested."""
    response.headers.pop("content-encoding", None)
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _LimitedStream(response.stream)


def _is_missing_route(error: Exception) -> bool:
    """Whether a gateway does not offer this endpoint. A web page is another service."""
    if not isinstance(error, APIStatusError) or error.status_code not in (404, 405, 501) or error.type is not None:
        return False
    return not _is_web_page(error.response)


def _is_web_page(response: httpx2.Response) -> bool:
    return str(response.headers.get("content-type", "")).strip().lower().startswith("text/html")


def _check_content_type(response: httpx2.Response) -> None:
    if _is_web_page(response):
        raise Misconfigured(f"The model server answers with a web page: {WRONG_URL}.")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        raise Unusable(f"The model's reply cannot be used: it is {kind[:60] or 'of no type'}, not an event stream.")


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
