"""A server behind a URL: the HTTP client with the token, and bounds on its responses.

Requests go to the endpoint's origin alone (the SDK follows no redirect to another one). OAuth metadata is read from
that origin and the issuer's, wherever the server points; the token endpoint is that of the issuer's metadata. All
requests go through the company's proxy like those of the other clients.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.auth import TokenStorage
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from integrations.connectors.quota import LARGEST_MESSAGE, Quota
from integrations.connectors.servers import McpServer
from integrations.outbound import get_outbound
from integrations.settings import is_loopback

_CONNECT_SECONDS = 15.0


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, quota: Quota) -> None:
        self._stream, self._quota = stream, quota

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._quota.count_bytes(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """Counts what a response has; a compressed one, which could expand without a bound, is refused. Reads nothing from
    other origins than those of `urls`, which a server could choose to reach a network that it cannot see."""

    def __init__(self, quota: Quota, urls: Iterable[str], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._quota, self._origins = quota, {_find_origin(httpx2.URL(url)) for url in urls}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET" and _find_origin(request.url) not in self._origins:
            return httpx2.Response(404, request=request)
        request.headers["accept-encoding"] = "identity"
        try:
            response = await super().handle_async_request(request)
        except httpx2.TransportError as error:
            self._quota.hint = f"it cannot be reached ({type(error).__name__})"
            raise
        self._quota.hint = _explain_status(response.status_code, request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the response is compressed although that was not accepted")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, self._quota)
        return response


def _find_origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _explain_status(status: int, request: httpx2.Request) -> str:
    """The refusal of a request as a clause, empty for a success. The SDK reports it without the status."""
    if status < 300 or (status in (404, 405) and request.method != "POST"):
        return ""
    fix = {401: ": check its token or OAuth client", 403: ": check the permissions of its token"}
    return f"its endpoint answered with HTTP {status}{fix.get(status, '')}"


class _Tokens(TokenStorage):
    """Keeps the access token of one session in memory."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """The client is the operator's."""


@asynccontextmanager
async def open_http(
    server: McpServer, secrets: Mapping[str, str], quota: Quota
) -> AsyncGenerator[TransportStreams, None]:
    """The transport of a server behind a URL. `secrets` are values by the name of the secret."""
    assert server.url
    headers = {"authorization": f"Bearer {secrets[server.token]}"} if server.token else {}
    timeout = httpx2.Timeout(_CONNECT_SECONDS, read=server.seconds)
    async with (
        httpx2.AsyncClient(
            transport=_build_transport(server, server.url, quota), headers=headers, timeout=timeout,
            auth=_build_auth(server, secrets), trust_env=False,
        ) as client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=LARGEST_MESSAGE) as streams,
    ):  # fmt: skip
        yield streams


def _build_transport(server: McpServer, url: str, quota: Quota) -> _BoundedTransport:
    outbound = get_outbound()
    is_local = is_loopback(urlsplit(url).hostname or "")
    proxy, bundle = None if is_local else outbound.find_proxy(url), outbound.find_bundle()
    options: dict[str, object] = {}
    if bundle:
        options["verify"] = ssl.create_default_context(cafile=bundle)
    if proxy:
        credentials = (proxy.username, proxy.password) if proxy.username else None
        options["proxy"] = httpx2.Proxy(proxy.url, auth=credentials)
    return _BoundedTransport(quota, [url, *([server.oauth.issuer] if server.oauth else [])], **options)


def _build_auth(server: McpServer, secrets: Mapping[str, str]) -> httpx2.Auth | None:
    client = server.oauth
    if client is None or server.url is None:
        return None
    return ClientCredentialsOAuthProvider(
        server_url=server.url, storage=_Tokens(), client_id=client.client_id, client_secret=secrets[client.secret],
        scope=client.scope or None, issuer=client.issuer,
    )  # fmt: skip
