from __future__ import annotations

import json
import socket
import time
from contextlib import suppress

import pytest
from redis import Redis

from jobs.runtime.keys import INBOX
from tests.service.conftest import Web, moved, pushed, signed_by_github, signed_by_linear

MEBIBYTE = 1024 * 1024
CHUNKED = "Transfer-Encoding: chunked\r\nConnection: close\r\n"


def inbox(redis: Redis) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in redis.xrange(INBOX)]


def request(path: str, headers: dict[str, str], body: bytes, framing: str | None = None) -> bytes:
    framing = f"Content-Length: {len(body)}\r\nConnection: close\r\n" if framing is None else framing
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{lines}{framing}\r\n".encode("latin-1") + body


def chunks(body: bytes, size: int = 1000) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_delivery_is_in_the_inbox_before_the_response(web: Web, redis: Redis) -> None:
    body, before = moved(), time.time()
    assert web.linear(body, delivery="11111111-1111-4111-8111-111111111111").body == {"accepted": True}
    (entry,) = inbox(redis)
    assert entry[b"source"] == b"linear"
    assert entry[b"delivery_id"] == b"11111111-1111-4111-8111-111111111111"
    assert entry[b"body"] == body
    assert entry[b"stale"] == b"0"
    assert before - 1 < float(entry[b"received_at"]) < time.time() + 1


def test_delivery_from_github_is_accepted(web: Web, redis: Redis) -> None:
    assert web.github(pushed()).body == {"accepted": True}
    assert inbox(redis)[0][b"event"] == b"push"


@pytest.mark.parametrize("secret", ["lin-secret-old", "lin-secret-new"])
def test_signature_is_valid_with_either_secret_during_rotation(web: Web, redis: Redis, secret: str) -> None:
    assert web.linear(moved(), secret).status == 200


def test_delivery_received_twice_is_one_entry(web: Web, redis: Redis) -> None:
    body, delivery = moved(), "22222222-2222-4222-8222-222222222222"
    assert web.linear(body, delivery=delivery).body == {"accepted": True}
    assert web.linear(body, delivery=delivery).body == {"accepted": "duplicate"}
    assert len(inbox(redis)) == 1


def test_delivery_with_known_content_and_another_id_is_a_duplicate(web: Web, redis: Redis) -> None:
    body = pushed()
    assert web.github(body).body == {"accepted": True}
    assert web.github(body).body == {"accepted": "duplicate"}
    assert len(inbox(redis)) == 1


def test_delivery_id_never_matches_a_content_key(web: Web, redis: Redis) -> None:
    web.linear(moved("one"), delivery="key:whatever")
    assert {key.split(b":")[2] for key in redis.keys("seen:*")} == {b"id", b"key"}
    assert not redis.exists("seen:linear:key:whatever")


def test_delivery_keys_expire_after_a_week(web: Web, redis: Redis) -> None:
    web.linear(moved())
    assert all(7 * 24 * 3600 - 60 < redis.ttl(key) <= 7 * 24 * 3600 for key in redis.keys("seen:*"))


def test_delivery_that_is_stale_is_accepted_and_marked(web: Web, redis: Redis) -> None:
    assert web.linear(moved(at=time.time() - 3600)).status == 200
    assert inbox(redis)[0][b"stale"] == b"1"


@pytest.mark.parametrize(
    "signature",
    ["", "0" * 64, "lin", "ü" * 32, "é", "0" * 63 + "\xb2", "sha256=" + "0" * 64],
    ids=["empty", "wrong", "short", "not ascii", "latin", "digit-like", "other form"],
)
def test_signature_that_is_wrong_is_401(web: Web, redis: Redis, signature: str) -> None:
    body = moved()
    headers = signed_by_linear(body) | {"Linear-Signature": signature}
    assert status(web.raw(request("/webhooks/linear", headers, body))) == 401
    assert inbox(redis) == []


def test_signature_that_is_missing_is_401_and_logged(web: Web, redis: Redis) -> None:
    body = moved()
    headers = signed_by_linear(body)
    del headers["Linear-Signature"]
    before = len(web.log.read_text().splitlines())
    assert web.send("POST", "/webhooks/linear", body, headers).status == 401
    (line,) = [json.loads(line) for line in web.log.read_text().splitlines()[before:]]
    assert (line["event"], line["source"], line["level"]) == ("delivery refused", "linear", "warning")
    assert line["reason"]


@pytest.mark.parametrize("good_first", [True, False])
@pytest.mark.parametrize("source", ["linear", "github"])
def test_signature_that_is_doubled_is_401(web: Web, redis: Redis, source: str, good_first: bool) -> None:
    body = moved() if source == "linear" else pushed()
    headers = signed_by_linear(body) if source == "linear" else signed_by_github(body)
    name = "Linear-Signature" if source == "linear" else "X-Hub-Signature-256"
    good, bad = headers.pop(name), "0" * 64
    pair = (good, bad) if good_first else (bad, good)
    twice = f"{name}: {pair[0]}\r\n{name}: {pair[1]}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    assert status(web.raw(request(f"/webhooks/{source}", headers, body, twice))) == 401
    assert inbox(redis) == []


def test_signature_of_other_bytes_is_401(web: Web, redis: Redis) -> None:
    body = moved()
    assert web.send("POST", "/webhooks/linear", body + b" ", signed_by_linear(body)).status == 401


def test_body_that_is_empty_is_401(web: Web, redis: Redis) -> None:
    assert web.send("POST", "/webhooks/linear").status == 401


@pytest.mark.parametrize(("source", "megabytes"), [("linear", 5), ("github", 25)])
def test_body_over_the_limit_is_413_with_or_without_a_length(
    web: Web, redis: Redis, source: str, megabytes: int
) -> None:
    body = b" " * (megabytes * MEBIBYTE + 1)
    headers = {"Content-Type": "application/json"}
    path = f"/webhooks/{source}"
    assert status(answer_to_flood(web, request(path, headers, body))) == 413
    assert status(answer_to_flood(web, request(path, headers, chunks(body, 60_000), CHUNKED))) == 413


def answer_to_flood(web: Web, data: bytes) -> bytes:
    """The endpoint responds and closes before it has read the body, which a sender can see as a reset."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        return connection.recv(65_536)


def test_body_at_the_limit_is_accepted(web: Web, redis: Redis) -> None:
    body = pushed()
    body += b" " * (25 * MEBIBYTE - len(body))
    assert web.github(body).body == {"accepted": True}


def test_body_in_chunks_is_read_completely(web: Web, redis: Redis) -> None:
    body = pushed() + b" " * 5000
    answer = web.raw(request("/webhooks/github", signed_by_github(body), chunks(body), CHUNKED))
    assert status(answer) == 200
    assert inbox(redis)[0][b"body"] == body


@pytest.mark.parametrize("broken", [b"zz\r\nhello\r\n", b"5\r\nhelloworld", b"-1\r\n\r\n", b"5\r\nhel"])
def test_body_with_broken_chunks_is_refused_without_a_500(web: Web, redis: Redis, broken: bytes) -> None:
    answer = web.raw(request("/webhooks/github", signed_by_github(b"hello"), broken, CHUNKED))
    assert status(answer) == 400
    assert inbox(redis) == []


def test_body_that_is_truncated_is_refused_without_a_500(web: Web, redis: Redis) -> None:
    body = pushed()
    framing = f"Content-Length: {len(body) + 10}\r\nConnection: close\r\n"
    answer = web.raw(request("/webhooks/github", signed_by_github(body), body, framing))
    assert status(answer) == 400
    assert inbox(redis) == []


def test_body_with_length_and_chunks_is_refused(web: Web, redis: Redis) -> None:
    body = pushed()
    framing = f"Content-Length: {len(body)}\r\n{CHUNKED}"
    assert status(web.raw(request("/webhooks/github", signed_by_github(body), chunks(body), framing))) == 400
    assert inbox(redis) == []


def test_body_with_an_encoding_is_415(web: Web, redis: Redis) -> None:
    assert web.github(pushed(), **{"Content-Encoding": "gzip"}).status == 415


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/webhooks/linear", 405),
        ("PUT", "/webhooks/github", 405),
        ("POST", "/webhooks/gitlab", 404),
        ("POST", "/webhooks/", 404),
        ("GET", "/", 404),
        ("POST", "/healthz", 405),
    ],
)
def test_other_requests_are_refused_in_json(web: Web, method: str, path: str, expected: int) -> None:
    answer = web.send(method, path, b"{}")
    assert answer.status == expected
    assert answer.body["error"]


def test_responses_have_security_headers(web: Web) -> None:
    for path in ("/healthz", "/nowhere"):
        headers = web.send("GET", path).headers
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_log_names_every_delivery_without_bodies_and_secrets(web: Web, redis: Redis) -> None:
    web.github(pushed("c"), delivery="33333333-3333-4333-8333-333333333333")
    log = web.log.read_text()
    assert "33333333-3333-4333-8333-333333333333" in log
    assert "c" * 40 not in log
    assert "github-secret-new" not in log
