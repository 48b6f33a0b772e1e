"""Refusals of the webhook endpoint: a status that the sender shows as an error, and one sentence as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from jobs.config.environment import parse_settings
from jobs.config.settings import Settings
from service.web.app import create_app
from service.web.refusal_limit import LOGGED, PER_ADDRESS
from tests.service.conftest import SECRETS, Web, moved, pushed, signed_by_github, signed_by_linear
from tests.service.test_webhooks import inbox, request

REVIEW = b'{"action":"submitted","pull_request":{},"review":{}}'


def refused(web: Web, redis: Redis, answer: Any) -> str:
    """The sentence of a response that is an error and stored nothing."""
    assert inbox(redis) == []
    assert list(answer.body) == ["error"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    sentence: str = answer.body["error"]
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "body is not JSON"),
        (b"nonsense", "body is not JSON"),
        (b"payload=%7B%22ref%22%3A%22x%22%7D", "body is not JSON"),
        (b"[]", "is a JSON list, not an object"),
        (b"\xff\xfe{\x00}\x00", "body is not UTF-8"),
        (b"\xef\xbb\xbf{}", "UTF-8 BOM"),
        (b'{"a":NaN}', "number that is out of range"),
        (b'{"a":1,"a":1}', "same key twice"),
        (b'{"a":' * 5000, "nested too deeply"),
        (b'{"a":' + b"9" * 5000 + b"}", "number that is out of range"),
        (rb'{"a":"\ud800"}', "lone surrogate"),
    ],
)
@pytest.mark.parametrize("source", ["linear", "github"])
def test_delivery_that_is_signed_and_unreadable_is_422(
    web: Web, redis: Redis, source: str, body: bytes, sentence: str
) -> None:
    before = len(web.log.read_text())
    answer = web.linear(body) if source == "linear" else web.github(body)
    assert answer.status == 422
    assert sentence in refused(web, redis, answer)
    assert '"delivery malformed"' in web.log.read_text()[before:]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""])
def test_delivery_with_another_content_type_is_415_with_the_setting(web: Web, redis: Redis, kind: str) -> None:
    answer = web.github(pushed(), **{"Content-Type": kind})
    assert answer.status == 415
    assert "set the content type of the webhook to application/json" in refused(web, redis, answer)
    answer = web.linear(moved(), **{"Content-Type": kind or "text/html"})
    assert (answer.status, "instead of application/json" in refused(web, redis, answer)) == (415, True)


def test_delivery_without_fields_is_422(web: Web, redis: Redis) -> None:
    assert "X-GitHub-Event" in refused(web, redis, web.github(REVIEW, **{"X-GitHub-Event": ""}))
    no_action = web.github(b'{"pull_request":{},"number":1}', **{"X-GitHub-Event": "pull_request"})
    assert (no_action.status, "`action`" in refused(web, redis, no_action)) == (422, True)
    for body in (b"{}", b'{"type":"Issue"}', b'{"webhookTimestamp":1795165500000,"type":"Issue"}'):
        answer = web.linear(body)
        assert (answer.status, bool(refused(web, redis, answer))) == (422, True)


@pytest.mark.parametrize("event", ["ping", "star", "an_event_of_tomorrow"])
def test_delivery_of_an_unknown_event_is_accepted(web: Web, redis: Redis, event: str) -> None:
    assert web.github(b'{"zen":"x"}', **{"X-GitHub-Event": event}).body == {"accepted": True}


@pytest.mark.parametrize("body", [b"nonsense", b"payload=x", b"", b"[]", b"\xff"])
def test_delivery_without_a_signature_is_401_for_any_body(web: Web, redis: Redis, body: bytes) -> None:
    answers = [
        web.send("POST", path, body, {"Content-Type": kind} | headers)
        for path in ("/webhooks/linear", "/webhooks/github")
        for kind in ("application/json", "text/plain")
        for headers in ({}, {"X-Hub-Signature-256": "sha256=" + "0" * 64, "Linear-Signature": "0" * 64})
    ]
    assert {answer.status for answer in answers} == {401}
    assert {refused(web, redis, answer) for answer in answers} == {
        "The delivery has no valid signature. Compare the webhook secrets on both sides."
    }


@pytest.mark.parametrize("source", ["linear", "github"])
def test_delivery_id_used_again_with_another_body_is_accepted_and_logged(web: Web, redis: Redis, source: str) -> None:
    one = "66666666-6666-4666-8666-666666666666"
    first, second = (moved("one"), moved("two")) if source == "linear" else (pushed("1"), pushed("2"))
    send = web.linear if source == "linear" else web.github
    before = len(web.log.read_text())
    assert [send(body, delivery=one).body for body in (first, second, first, second)] == [
        {"accepted": True},
        {"accepted": True},
        {"accepted": "duplicate"},
        {"accepted": "duplicate"},
    ]
    assert [entry[b"body"] for entry in inbox(redis)] == [first, second]
    lines = [json.loads(line) for line in web.log.read_text()[before:].splitlines()]
    (line,) = [line for line in lines if line["event"] == "suspicious delivery: id reused with another body"]
    assert (line["level"], line["source"], line["delivery"]) == ("warning", source, one)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/webhooks/github", 405),
        ("PUT", "/webhooks/github", 405),
        ("DELETE", "/webhooks/linear", 405),
        ("TRACE", "/webhooks/linear", 405),
        ("POST", "/webhooks/../healthz", 404),
        ("POST", "/webhooks/github/", 404),
        ("POST", "//webhooks/github", 401),
        ("POST", "/webhooks//github", 404),
        ("POST", "/webhooks/github%00", 404),
        ("POST", "/webhooks/%2e%2e", 404),
        ("POST", "/webhooks/%ff", 404),
        ("GET", "http://x/nowhere", 404),
        ("OPTIONS", "*", 404),
        ("GET", "/" + "x" * 2000, 404),
        ("GET", "/" + "x" * 5000, 414),
        ("GET", "/a b", 400),
        ("GE T", "/", 400),
        ("CONNECT", "x:1", 404),
        ("get", "/healthz", 400),
        ("GET", "", 400),
    ],
)
def test_request_that_is_refused_gets_json_and_security_headers(
    web: Web, method: str, target: str, expected: int
) -> None:
    head, _, body = web.raw(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()).partition(
        b"\r\n\r\n"
    )
    assert int(head.split()[1]) == expected
    assert json.loads(body)["error"].endswith(".")
    assert b"\r\nX-Content-Type-Options: nosniff" in head
    assert b"\r\nContent-Security-Policy: default-src 'none'" in head


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("X: " + "x" * 9000, 431),
        ("\r\n".join(f"X-{n}: x" for n in range(100)), 431),
        ("Transfer-Encoding: gzip", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: 1e3", 400),
        ("Content-Length: 99999999999999999999", 413),
        ("Content-Length: " + "9" * 5000, 400),
        ("Content-Length: ²", 400),
        ("Expect: a miracle", 417),
        ("no colon", 400),
        ("Bad Name: x", 400),
        ("X: \x01", 400),
    ],
)
def test_request_with_broken_headers_is_refused_in_json(web: Web, lines: str, expected: int) -> None:
    answer = web.raw(f"POST /webhooks/github HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == expected
    assert json.loads(body)["error"].endswith(".")
    assert b"\r\nX-Content-Type-Options: nosniff" in head


def test_request_for_a_method_that_is_not_allowed_names_the_allowed_ones(web: Web) -> None:
    assert "POST" in web.send("GET", "/webhooks/github").headers["Allow"]


def test_request_in_absolute_form_is_served(web: Web, redis: Redis) -> None:
    body = pushed("3")
    post = request("http://x/webhooks/github", signed_by_github(body), body)
    assert b'"accepted":true' in web.raw(post)
    body = moved("3")  # holds the time
    post = request("/webhooks/linear?ignored=%00", signed_by_linear(body), body)
    assert b" 200 " in web.raw(post)


def test_refusals_of_one_address_are_limited_and_good_deliveries_are_not(settings: Settings, redis: Redis) -> None:
    own = {"LOOPLINE_HOME": str(settings.home), "REDIS_URL": settings.redis_url.get_secret_value()}
    client = create_app(parse_settings(own | SECRETS)).test_client()

    def send(body: bytes, headers: dict[str, str], address: str = "10.0.0.1") -> TestResponse:
        return client.post("/webhooks/github", data=body, headers=headers, environ_base={"REMOTE_ADDR": address})

    bad = signed_by_github(pushed()) | {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    with capture_logs() as logs:
        codes = [send(pushed(), bad).status_code for _ in range(LOGGED + 50)]
    assert codes == [401] * PER_ADDRESS + [429] * (LOGGED + 50 - PER_ADDRESS)
    assert send(pushed(), bad).headers["Retry-After"] == "60"
    assert [line["event"] for line in logs] == ["delivery refused"] * LOGGED + [
        "further refused deliveries are not logged for a minute"
    ]
    assert send(pushed(), signed_by_github(pushed())).status_code == 200
    assert send(pushed(), bad, "10.0.0.2").status_code == 401
