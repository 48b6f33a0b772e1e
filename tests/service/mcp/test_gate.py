"""Tokens, limits and hostile clients of the MCP server, over real connections."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from typing import Any

import pytest
from redis import Redis

from integrations.values import Person
from jobs.config.settings import Settings
from jobs.store.access_tokens import AccessTokens
from jobs.store.members import Membership, store_member
from service.mcp.gate import REFUSALS, REQUESTS
from tests.service.conftest import Answer
from tests.service.mcp.conftest import ANA, QuickProtocol, serving

PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@pytest.fixture
def port(settings: Settings, redis: Redis) -> Iterator[int]:
    with serving(settings.model_copy(update={"mcp_url": "https://loop.acme.test"}), redis) as found:
        yield found


@pytest.fixture
def token(redis: Redis) -> str:
    store_member(redis, ANA, Membership(person=Person(id="ana", name="Ana"), teams=("ENG",)))
    return AccessTokens(redis).create(ANA, time.time(), 3_600)[1]


def post(
    port: int, token: str = "", body: bytes = PING, path: str = "/mcp", method: str = "POST", **more: str
) -> Answer:
    headers = JSON | ({"Authorization": f"Bearer {token}"} if token else {})
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        text = response.read()
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return Answer(response.status, dict(response.headers), json.loads(text) if is_json else text.decode())
    finally:
        connection.close()


def test_token_is_stored_without_its_secret_and_works_until_it_ends(port: int, redis: Redis, token: str) -> None:
    tokens = AccessTokens(redis)
    _, brief = tokens.create(ANA.upper(), time.time() - 100, 99)
    stored = b"".join(redis.hvals("access-tokens"))  # type: ignore[arg-type]

    assert post(port, token).body["result"]["tools"]
    assert token.rpartition("_")[2].encode() not in stored and token.encode() not in stored
    assert post(port, brief).status == 401
    assert [one.id for one in tokens.revoke(token.split("_")[1])] == [token.split("_")[1]]
    refused = post(port, token)
    assert refused.status == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert refused.body["error"].startswith("The token is missing, unknown, expired or revoked: send Authorization")


def test_token_with_another_secret_or_form_is_refused(port: int, token: str) -> None:
    head, _, secret = token.rpartition("_")
    wrong = [
        f"{head}_{'A' * 43}",
        f"loopline_{'0' * 12}_{secret}",
        secret,
        f"{token}x",
        "x" * 5_000,
        token.upper(),
        "é",
    ]
    assert [post(port, one.encode().decode("latin-1")).status for one in wrong] == [401] * len(wrong)
    assert post(port).status == 401


def test_refused_tokens_of_an_address_do_not_block_its_valid_ones(port: int, token: str) -> None:
    answers = [post(port, "wrong") for _ in range(REFUSALS + 5)]

    assert {one.status for one in answers[:REFUSALS]} == {401}
    assert {one.status for one in answers[REFUSALS:]} == {429} and answers[-1].headers["retry-after"] == "60"
    assert post(port, token).status == 200


def test_requests_of_a_token_are_limited(port: int, redis: Redis, token: str) -> None:
    statuses = [post(port, token).status for _ in range(REQUESTS + 3)]

    assert statuses == [200] * REQUESTS + [429] * 3
    assert post(port, AccessTokens(redis).create(ANA, time.time(), 60)[1]).status == 200


def test_oversized_requests_are_refused(port: int, token: str) -> None:
    large = b'{"jsonrpc": "2.0", "id": 1, "method": "' + b"x" * 300_000 + b'"}'

    assert post(port, token, large).status == 413
    assert post(port, "", large).status == 401
    assert post(port, token).status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"jsonrpc": "2.0"}', b"\xff" * 100, b"[" * 50_000])
def test_invalid_bodies_are_refused(port: int, token: str, body: bytes) -> None:
    assert 400 <= post(port, token, body).status < 500
    assert post(port, token).status == 200


def test_other_hosts_origins_methods_and_paths_are_refused(port: int, token: str) -> None:
    assert post(port, token, Host="evil.test").status == 421
    assert post(port, token, Host=f"127.0.0.1.evil.test:{port}").status == 421
    assert post(port, token, Host="loop.acme.test").status == 200
    assert post(port, token, Origin="https://evil.test").status == 403
    assert [post(port, token, method=one).status for one in ("GET", "DELETE", "PUT")] == [405] * 3
    assert [post(port, token, path=one).status for one in ("/", "/mcp/", "/.well-known/oauth-protected-resource")] == [
        404
    ] * 3
    assert post(port, path="/healthz", method="GET").body["ok"] is True


def test_slow_clients_block_no_other(port: int, token: str) -> None:
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n"
    begins = time.monotonic()
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(100)]
        for number, one in enumerate(crowd):
            with suppress(OSError):
                one.sendall((b"", b"POST", f"{head}\r\n{{".encode())[number % 3])
        assert post(port, token).status == 200
        while any(map(is_open, crowd)):
            assert time.monotonic() - begins < 10 * QuickProtocol.read_seconds
            time.sleep(0.05)


def test_client_that_reads_no_response_is_closed(port: int, redis: Redis, token: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(QuickProtocol, "work_seconds", 0.5)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(("127.0.0.1", port))
        head = "".join(f"{name}: {value}\r\n" for name, value in JSON.items())
        request = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{head}Authorization: Bearer {token}\r\n"
        whole = f"{request}Content-Length: {len(PING)}\r\n\r\n".encode() + PING
        begins = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - begins < 10:
                deaf.sendall(whole)
    assert post(port, AccessTokens(redis).create(ANA, time.time(), 60)[1]).status == 200


def is_open(connection: socket.socket) -> bool:
    """Whether the server has not closed the connection; reads what it has sent."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(65_536))
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_redis_that_is_unavailable_is_reported(settings: Settings, tmp_path: Any) -> None:
    from jobs.runtime.connection import connect

    gone = settings.model_copy(update={"redis_url": type(settings.redis_url)(f"unix://{tmp_path}/none.sock")})
    with connect(gone, timeout=1.0, retries=0) as redis, serving(gone, redis) as port:
        answer = post(port, f"loopline_{'0' * 12}_{'A' * 43}")

    assert answer.status == 503 and "Redis does not respond" in answer.body["error"]
