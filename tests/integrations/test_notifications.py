"""Targets of notifications: which are accepted, and the outcome of an attempt against real local servers."""

from __future__ import annotations

import io
import logging
import re
import socket
from collections.abc import Iterator

import pytest

from integrations.notifications import Sent, check_target, list_secrets, name_target, send
from tests.support.receivers import Received, receive_http, receive_mail

SLACK_TOKEN = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


@pytest.fixture
def http() -> Iterator[Received]:
    with receive_http() as received:
        yield received


@pytest.mark.parametrize(
    "url",
    [
        f"slack://{SLACK_TOKEN}",
        f"https://hooks.slack.com/services/{SLACK_TOKEN}",
        "mailtos://ana:pass-word-1@acme.test?to=team@acme.test",
        "mailto://ana:pass-word-1@acme.test?mode=starttls",
        "jsons://hooks.acme.test/loopline",
        "json://127.0.0.1:8080/loopline",
        "json://localhost/loopline",
    ],
)
def test_target_with_tls_or_on_this_machine_is_accepted(url: str) -> None:
    check_target(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("json://hooks.acme.test/secret-path", "json without TLS to another host; write jsons://"),
        ("json://localhost.acme.test/secret-path", "json without TLS"),
        ("json://127.0.0.1@acme.test/secret-path", "json without TLS"),
        ("mailto://ana:secret-path@acme.test", "mailto without TLS to another host; write mailtos://"),
        ("mailtos://ana:secret-path@acme.test?mode=insecure", "mailtos without TLS"),
        ("syslog://", "syslog without TLS to another host; write a target of another service"),
        ("jsons://acme.test/secret-path?verify=no", "jsons with verify=no"),
        ("mailtos://u:secret-path@acme.test?to=a@acme.test,b@acme.test", "mailtos with several recipients"),
        ("slackk://secret-path", "apprise does not accept this address of slackk"),
        ("slack://secret-path", "apprise does not accept this address of slack"),
        ("secret-path", "apprise does not accept this address of an unknown scheme"),
        ("json://127.0.0.1/secret-path\nx", "no URL of one line"),
        ("", "no URL of one line"),
    ],
)
def test_target_that_cannot_be_used_is_named_by_its_scheme_only(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)) as raised:
        check_target(url)
    assert "secret-path" not in str(raised.value)


def test_target_secrets_are_the_url_and_its_tokens() -> None:
    assert {f"slack://{SLACK_TOKEN}", "TIiajkdnlazkcOXrIdevi7FQ"} <= list_secrets(f"slack://{SLACK_TOKEN}")
    assert "pass-word-1" in list_secrets("mailtos://ana:pass-word-1@acme.test")
    assert list_secrets("jsons://mattermost-internal-01/x") == {"jsons://mattermost-internal-01/x"}
    assert name_target(f"SLACK://{SLACK_TOKEN}") == "slack"


def test_send_reaches_an_http_receiver(http: Received) -> None:
    assert send(f"json://127.0.0.1:{http.port}/x", "ENG-1 needs you", "a & b\n\nc").outcome == "sent"
    (message,) = http.messages
    assert (message["title"], message["message"]) == ("ENG-1 needs you", "a & b\n\nc")


def test_send_reaches_a_mail_server() -> None:
    with receive_mail() as mail:
        url = f"mailto://127.0.0.1:{mail.port}?to=team@acme.test&from=loopline@acme.test"
        check_target(url)
        assert send(url, "ENG-1 needs you", "a <b>c</b>").outcome == "sent"
    (message,) = mail.messages
    assert "ENG-1 needs you" in message["title"] and "team@acme.test" in message["to"]
    assert (message["type"], message["message"].strip()) == ("text/plain", "a <b>c</b>")


@pytest.mark.parametrize("option", ["retry=3", "optional=yes"])
def test_send_makes_one_attempt_and_reports_its_status(http: Received, option: str) -> None:
    http.statuses = [503, 200, 200, 200]
    sent = send(f"json://127.0.0.1:{http.port}/x?{option}", "t", "b")
    assert (sent.outcome, sent.reason) == ("failed", "it responded with status 503")
    assert http.messages == []


def test_send_to_a_closed_port_failed_certainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for url in (f"json://127.0.0.1:{port}/x", f"mailto://127.0.0.1:{port}?to=a@acme.test&from=b@acme.test"):
        assert send(url, "t", "b") == Sent("failed", "it cannot be reached")


def test_send_without_a_response_has_an_unknown_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        mail = f"mailto://127.0.0.1:{port}?to=a@acme.test&from=b@acme.test&cto=0.2"
        for url in (f"json://127.0.0.1:{port}/x?rto=0.2", mail):
            assert send(url, "t", "b").outcome == "unknown"


def test_send_shows_no_url_in_a_log(http: Received) -> None:
    http.statuses, log = [500], io.StringIO()
    handler, root = logging.StreamHandler(log), logging.getLogger()
    root.addHandler(handler)
    try:
        send(f"json://127.0.0.1:{http.port}/secret-path", "t", "b")
    finally:
        root.removeHandler(handler)
    assert "secret-path" not in log.getvalue()
