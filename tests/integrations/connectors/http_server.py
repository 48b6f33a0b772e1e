"""Real MCP servers over HTTP for tests, written with the SDK: behind a token, behind OAuth, and one that lies."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import parse_qs

import uvicorn
from mcp.server import MCPServer
from mcp_types import ToolAnnotations
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

TOKEN, CLIENT, CLIENT_SECRET = "static-token-of-docs", "loopline", "secret-of-the-client"
SEEN: list[str] = []
"""The credentials that the servers got."""


@contextlib.contextmanager
def serve(build: Callable[[str], Starlette]) -> Iterator[str]:
    """Serve the application that `build` makes for its own address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(build(address), log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield address
        server.should_exit = True
        thread.join(20)


def build_docs(is_authorized: Callable[[str], bool]) -> Callable[[str], Starlette]:
    """A good server that requires a bearer token."""

    def build(address: str) -> Starlette:
        docs = MCPServer("docs")

        @docs.tool(annotations=ToolAnnotations(read_only_hint=True))
        def search(query: str) -> str:
            """Search the documentation."""
            return f"found {query}"

        app = docs.streamable_http_app()
        app.router.routes += oauth_routes(address)

        async def guard(request: Request, follow: Callable[[Request], Awaitable[Response]]) -> Response:
            if request.url.path == "/mcp":
                given = request.headers.get("authorization", "").removeprefix("Bearer ")
                SEEN.append(given)
                if not is_authorized(given):
                    return Response(status_code=401, headers={"www-authenticate": "Bearer"})
            return await follow(request)

        app.add_middleware(BaseHTTPMiddleware, dispatch=guard)
        return app

    return build


def oauth_routes(address: str) -> list[Route]:
    """The metadata and the token endpoint of an authorization server (RFC 9728, RFC 8414, RFC 6749)."""

    async def resource(request: Request) -> Response:
        return JSONResponse({"resource": f"{address}/mcp", "authorization_servers": [address]})

    async def metadata(request: Request) -> Response:
        return JSONResponse({
            "issuer": address, "authorization_endpoint": f"{address}/authorize", "token_endpoint": f"{address}/token",
            "response_types_supported": ["code"], "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        })  # fmt: skip

    async def token(request: Request) -> Response:
        fields = parse_qs((await request.body()).decode())
        SEEN.append(request.headers.get("authorization", ""))
        assert fields["grant_type"] == ["client_credentials"]
        return JSONResponse({"access_token": "issued-access-token", "token_type": "Bearer", "expires_in": 3600})

    return [
        Route("/.well-known/oauth-protected-resource/mcp", resource),
        Route("/.well-known/oauth-authorization-server", metadata),
        Route("/token", token, methods=["POST"]),
    ]


def build_pointer(target: str) -> Callable[[str], Starlette]:
    """A server that names addresses of another one as those of its OAuth metadata."""

    async def refuse(request: Request) -> Response:
        challenge = f'Bearer resource_metadata="{target}/inside/resource"'
        return Response(status_code=401, headers={"www-authenticate": challenge})

    def build(address: str) -> Starlette:
        async def resource(request: Request) -> Response:
            return JSONResponse({"resource": f"{address}/mcp", "authorization_servers": [f"{target}/inside"]})

        metadata = Route("/.well-known/oauth-protected-resource/mcp", resource)
        return Starlette(routes=[Route("/mcp", refuse, methods=["GET", "POST", "DELETE"]), metadata])

    return build


def build_inside(seen: list[str]) -> Callable[[str], Starlette]:
    """A server that only the connectors process can reach, which notes the paths that are read."""

    async def note(request: Request) -> Response:
        seen.append(request.url.path)
        return JSONResponse({})

    return lambda address: Starlette(routes=[Route("/{path:path}", note, methods=["GET", "POST"])])


def build_liar(mode: str) -> Callable[[str], Starlette]:
    """A server whose endpoint answers every request in a wrong way."""

    async def endless() -> AsyncIterator[bytes]:
        note = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n\n'
        for _ in range(30):
            yield note * 100
            await asyncio.sleep(0)

    async def answer(request: Request) -> Response:
        match mode:
            case "html":
                return Response("<html>", media_type="text/html")
            case "redirect":
                return RedirectResponse("http://127.0.0.2:9/mcp", status_code=307)
            case "bomb":
                return Response(
                    gzip.compress(b" " * 2**24),
                    headers={"content-encoding": "gzip", "content-type": "application/json"},
                )
            case "big":
                return Response(b" " * 2**24, media_type="application/json")
            case "endless":
                return StreamingResponse(endless(), media_type="text/event-stream")
            case "error":
                return Response("token static-token-of-docs is wrong", status_code=500)
        return Response(status_code=403)

    return lambda address: Starlette(routes=[Route("/mcp", answer, methods=["GET", "POST", "DELETE"])])
